"""What a step is given to run with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from headrace.core.clock import Clock
from headrace.core.contracts import Capabilities, CredentialRef, Secret, Session, Transport
from headrace.core.events import Event
from headrace.core.templates import Lookup
from headrace.mapping.mapper import Mapper

if TYPE_CHECKING:
    from headrace.secrets.mask import Masker
    from headrace.sources.session import TokenStore
    from headrace.sources.throttle import SharedLimit
    from headrace.state.cache import ResponseCache

T = TypeVar("T")


class Database(Protocol):
    """A session on its own thread."""

    capabilities: Capabilities

    async def call(self, work: Callable[[Session], T]) -> T:
        """Run ``work`` on the session's thread, after whatever was asked before."""
        ...


@dataclass(frozen=True, slots=True)
class LastComplete:
    """What the last complete crawl of this scope left behind for the next."""

    run_id: str
    rows: int
    mark: Any = None
    pages: int = 0


def nowhere(name: str, secret: Secret) -> None:
    """Where secrets of a context go that has no room for them."""
    raise AssertionError("nothing here keeps secrets")


@dataclass(frozen=True, slots=True)
class RunContext:
    """One run, as a step sees it.

    ``lookup`` resolves ``{variables}``; ``secret`` finds a credential; ``keep_secret`` makes one a secret of the
    run, in memory, for the steps that follow; ``last_complete`` answers for a
    step of this scope; ``page_limit`` pauses each stream after that many pages of this call; ``stop``
    is set to end cleanly, with everything fetched committed.
    """

    run_id: str
    pipeline: str
    org: str
    scope: str
    params: Mapping[str, Any]
    now: int
    lookup: Lookup
    database: Database
    transport: Transport
    clock: Clock
    emit: Callable[[Event], None]
    secret: Callable[[CredentialRef], Secret]
    masker: Masker
    tokens: TokenStore
    cache: ResponseCache | None
    shared_limit: Callable[[str], SharedLimit] | None
    last_complete: Callable[[str], LastComplete | None]
    stop: asyncio.Event
    offline: bool = False
    page_limit: int | None = None
    resumed: bool = False
    backfill: bool = False
    """Only windows of time are asked for: nothing is inferred from absence, and no mark moves."""
    cut_off: bool = False
    """The call before this one was killed: it could not say how it ended."""
    sensitive: frozenset[str] = frozenset()
    """Columns that the file marks as sensitive, whatever their table; case-folded."""
    accepted: bool = False
    """A person has said that what looks like a truncation is right."""
    keep_secret: Callable[[str, Secret], None] = nowhere
    mapper: Callable[..., Mapper] = Mapper
    """What makes batches of pages; the simulator has a lighter one."""
