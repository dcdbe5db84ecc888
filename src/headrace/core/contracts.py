"""Every contract between the rooms, on one page.

Async outside (transport, steps), sync inside (sessions live on one thread each). Kinds are frozen
pydantic models picked by their YAML ``type``; protocols are what the engine passes around.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from headrace.core.clock import Clock
from headrace.core.events import EventSink
from headrace.core.http import Request, Response
from headrace.core.kinds import Kind
from headrace.core.paths import Path
from headrace.core.tables import (
    Checkpoint,
    Cursor,
    Group,
    RawPage,
    Receipt,
    Removals,
    RunRecord,
    SliceState,
    StreamKey,
    TableSpec,
)
from headrace.core.types import ColumnType

if TYPE_CHECKING:
    import pyarrow as pa


class Transport(Protocol):
    """Sends one signed request and returns the whole answer; knows nothing of retries."""

    async def send(self, request: Request) -> Response:
        """Raises :class:`~headrace.core.errors.RequestFailed` (``status=None``) when no whole answer came."""
        ...

    async def close(self) -> None: ...


def _unknown(path: Path) -> tuple[Path, Mapping[str, Any]]:
    return Path((), ""), {}


@dataclass(frozen=True, slots=True)
class Envelope:
    """An opened answer: the values that paging asked for, and the records' exact text.

    ``records`` is the text of a JSON array. ``values`` has an entry for each wanted path that leads
    somewhere (plain Python, integers and floats as ``int`` and ``float``); a path that leads nowhere is
    absent, one that leads to null is ``None``.
    """

    values: Mapping[Path, Any]
    records: bytes
    keys: tuple[str, ...] = ()
    """The keys at the root, for error messages; empty where reading them would cost another pass."""
    around: Callable[[Path], tuple[Path, Mapping[str, Any]]] = field(default=_unknown, repr=False, compare=False)
    """Where a path that leads nowhere stops, and the members there (a large one as ``...``). Read from the
    body when it is called: for the rare page that needs it."""
    count: int | None = None
    """How many records there are; ``None`` where knowing it would cost another pass."""


class Decoder(Kind):
    """Turns a body into an :class:`Envelope`; without I/O, without state."""

    @abstractmethod
    def open(self, response: Response, data_path: Path, wants: Sequence[Path]) -> Envelope:
        """Raises DecodeError for a body it cannot read, PathNotFound when ``data_path`` leads nowhere."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a paginator may look at."""

    response: Response
    envelope: Envelope
    count: int
    """Records on this page."""
    page_number: int
    """From 1."""
    seen: int
    """Records on this and all earlier pages of the stream."""


class Paginator(Kind):
    """Position in, position out: keeps no state, so a checkpoint is all that a resume needs."""

    def start(self) -> Cursor:
        """The position of the first page; may be ``None`` (ask without a cursor)."""
        return None

    def wants(self) -> Sequence[Path]:
        """Paths of the envelope that :meth:`next` reads."""
        return ()

    @abstractmethod
    def apply(self, request: Request, at: Cursor) -> Request:
        """The request of the page at ``at``."""

    @abstractmethod
    def next(self, answer: Answer, at: Cursor) -> Cursor:
        """The position after ``answer``, or ``None`` at the end."""

    def ahead(self, at: Cursor) -> Cursor:
        """The position after ``at`` when it needs no answer (page numbers, offsets), else ``None``."""
        return None

    def total(self, answer: Answer) -> int | None:
        """Records in the whole stream, where the API declares it."""
        return None

    def doubt(self, answer: Answer, at: Cursor) -> tuple[str, str] | None:
        """At the end only: (what was seen, what to set if it is right) when the end was inferred and
        looks like a truncation, else ``None``."""
        return None


class Auth(Kind):
    """Signs a request. Kinds that need a token of their own (oauth2) ask for it through ``send``."""

    def credential(self) -> CredentialRef | None:
        """Which credential is needed; ``None`` for no authentication."""
        return None

    @abstractmethod
    async def sign(self, request: Request, secret: Secret | None, session: AuthSession) -> Request:
        """The request as it goes out. ``secret`` is what :meth:`credential` resolved to."""

    async def refused(self, secret: Secret | None, session: AuthSession) -> bool:
        """After a 401: whether signing again may help (a token was dropped)."""
        return False

    def secret_params(self) -> frozenset[str]:
        """Query parameters that carry the secret: stripped from every URL that is kept or shown."""
        return frozenset()


@dataclass(frozen=True, slots=True)
class CredentialRef:
    """Where a step's credential is looked up: the run's secrets, the organisation's, the run's secret
    ``secret_key``, what ``reference`` (``aws:prod/acme``) leads to, the environment."""

    provider: str | None = None
    secret_key: str | None = None
    reference: str | None = None


@dataclass(frozen=True)
class Secret:
    """A credential; shows nothing of itself. ``value`` is the key or token; ``fields`` the members of a
    JSON credential (``client_id``, ``client_secret``, ``refresh_token``, ...). ``hosts`` are those that it may be
    sent to; none: any."""

    value: str = field(repr=False)
    fields: Mapping[str, str] = field(default_factory=dict, repr=False)
    hosts: tuple[str, ...] = ()


class AuthSession(Protocol):
    """What an :class:`Auth` may use: requests of its own, a token store, the clock.

    Tokens are kept for the credential; ``put`` stores durably *before* it returns, since a rotated
    refresh token that is lost locks the user out.
    """

    clock: Clock

    async def send(self, request: Request) -> Response: ...
    def get_token(self, name: str) -> Mapping[str, Any] | None: ...
    def put_token(self, name: str, token: Mapping[str, Any] | None) -> None: ...
    def alone(self, name: str) -> AbstractAsyncContextManager[None]:
        """While it is entered, no other process renews the token called ``name``."""
        ...

    def mask(self, secret: str) -> None:
        """Treat ``secret`` as one from now on (logs, bodies, errors)."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """What values a destination takes; ``None``: no bound."""

    nul: bool = True
    """Strings may hold U+0000."""
    max_columns: int | None = None
    max_name: int | None = None
    """Bytes of an identifier."""
    max_value: int | None = None
    """Bytes of one value."""
    year_min: int = 1
    year_max: int = 9999
    own_columns: frozenset[str] = frozenset()
    """Column names that every table has already, by the destination's own doing."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a destination can do; `check` refuses the rest before the first request.

    ``gaps`` maps the id of a contract test to the reason why this destination fails it: tested as a
    strict expected failure.
    """

    dispositions: frozenset[str] = frozenset({"append", "merge", "replace", "sync", "scd2"})
    concurrent_writers: bool = False
    """Several processes may write at once."""
    keys: bool = True
    """It finds rows again by their key: an append may leave out those that it has."""
    commit_every: float = 1.0
    """Seconds between commits, where a file does not say; more where each one is dear."""
    limits: Limits = field(default_factory=Limits)
    fold: Callable[[str], str] = str
    """How an unquoted name is stored (PostgreSQL lower-cases)."""
    sql: str = ""
    """The SQL that it speaks, as SQL steps are translated to it (``duckdb``, ``postgresql``, ``sqlite``); without
    one it has no SQL steps."""
    gaps: Mapping[str, str] = field(default_factory=dict)


class Destination(Kind):
    """Where tables go. ``url`` names it without secrets."""

    @classmethod
    @abstractmethod
    def from_url(cls, url: str) -> Destination:
        """The destination that a URL names, whose scheme is one of its types. Raises UsageError."""

    @property
    @abstractmethod
    def url(self) -> str:
        """Shown in logs and kept with the run; no password."""

    @abstractmethod
    def capabilities(self) -> Capabilities: ...

    @abstractmethod
    def open(self, *, read_only: bool = False) -> AbstractContextManager[Session]:
        """Raises CannotOpen or DestinationBusy."""


class Session(Protocol):
    """One connection, used from one thread. Every method is its own transaction unless it says otherwise."""

    def lease(self, run_id: str, owner: str) -> AbstractContextManager[None]:
        """Hold ``run_id`` until exit; raises RunIsHeld with who holds it. Dies with the process."""
        ...

    def run(self, run_id: str) -> RunRecord | None: ...
    def runs(self, *, pipeline: str | None = None, limit: int = 100) -> list[RunRecord]:
        """Latest first."""
        ...

    def save_run(self, run: RunRecord) -> None:
        """Insert or update by ``run_id``."""
        ...

    def prepare(self, tables: Sequence[TableSpec], raw: Sequence[str]) -> None:
        """Create what is missing: engine tables, raw tables, each table with its declared columns, its
        ``_seen``, ``_rejected`` and views. Idempotent; safe when eight sessions do it at once."""
        ...

    def columns(self, table: str) -> dict[str, ColumnType]:
        """The types that the table has by now (empty when it does not exist)."""
        ...

    def checkpoint(self, key: StreamKey) -> Checkpoint | None: ...
    def checkpoints(self, run_id: str) -> list[Checkpoint]: ...

    def commit(self, group: Group) -> Receipt:
        """All or nothing. Raises Fenced when a checkpoint is not as expected, CommitFailed after a
        rollback, CommitUnknown when the outcome cannot be learnt."""
        ...

    def freeze_slices(self, run_id: str, step: str, slices: Iterable[SliceState]) -> int:
        """Store the slices of a step unless it has some; returns how many there are now."""
        ...

    def slices(
        self, run_id: str, step: str, *, status: Sequence[str] = (), after: int = -1, limit: int = 1000
    ) -> list[SliceState]:
        """In order of ``position``, those greater than ``after``."""
        ...

    def raw_pages(
        self, table: str, *, run_id: str | None = None, page_number: int | None = None, page_id: int | None = None
    ) -> Iterator[RawPage]:
        """Archived pages in order of ``page_id``, bodies unpacked and checked against their SHA-256; one
        at a time, so that memory stays bounded. Raises ArchiveMissing when a body was purged."""
        ...

    def removals(self, *, table: str | None = None) -> list[Removals]: ...
    def decide_removals(self, table: str, run_id: str, *, confirm: bool) -> int:
        """Confirm or reject what the guard held back; returns how many rows it concerns."""
        ...

    def query(self, sql: str, params: Sequence[Any] = ()) -> Iterator[pa.RecordBatch]:
        """Read only, batch by batch; placeholders are ``?``."""
        ...

    def rebuild(self, tables: Sequence[TableSpec]) -> AbstractContextManager[Session]:
        """A session whose commits to ``tables`` go into new, empty tables; they are exchanged in one
        transaction on a clean exit, and dropped otherwise. Checkpoints are not touched."""
        ...

    def rehearse(self, tables: Sequence[str]) -> AbstractContextManager[Session]:
        """A session on an empty scratch database that knows the runs of this one and what was decided about the
        removals of ``tables``: a rebuild there ends as it would here. Nothing is written here; all of it goes at exit."""
        ...

    def purge(self, *, table: str, before: int | None = None, run_id: str | None = None, removed: bool = False) -> int:
        """Delete raw bodies (a raw table) older than ``before``, or rows that are ``removed``; returns how many."""
        ...

    def vacuum(self) -> None:
        """Give deleted bytes back."""
        ...


@dataclass(frozen=True, slots=True)
class StepResult:
    """What a step gives to the steps after it (``{steps.<name>.<key>}``)."""

    status: str
    values: Mapping[str, Any] = field(default_factory=dict)


__all__ = [
    "Answer", "Auth", "AuthSession", "Capabilities", "Checkpoint", "Clock", "CredentialRef", "Cursor", "Decoder",
    "Destination", "Envelope", "EventSink", "Group", "Kind", "Limits", "Paginator", "Path", "Secret", "Session",
    "StepResult", "Transport",
]  # fmt: skip
