"""What a step is given to run with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from headrace.core.clock import Clock
from headrace.core.contracts import Capabilities, Secret, Session, Transport
from headrace.core.events import Event
from headrace.core.templates import Lookup

T = TypeVar("T")


class Database(Protocol):
    """A session on its own thread."""

    capabilities: Capabilities

    async def call(self, work: Callable[[Session], T]) -> T:
        """Run ``work`` on the session's thread, after whatever was asked before."""
        ...


@dataclass(frozen=True, slots=True)
class RunContext:
    """One run, as a step sees it. ``lookup`` resolves ``{variables}``; ``secret`` a credential."""

    run_id: str
    pipeline: str
    org: str
    scope: str
    params: Mapping[str, Any]
    lookup: Lookup
    database: Database
    transport: Transport
    clock: Clock
    emit: Callable[[Event], None]
    secret: Callable[..., Secret | None]
