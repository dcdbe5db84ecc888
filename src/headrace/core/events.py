"""What happens in a run, as frozen objects. Sinks print, log, count or store them, and must not raise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from headrace.core.tables import RunStatus


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all events."""

    run_id: str


@dataclass(frozen=True, slots=True)
class RunStarted(Event):
    pipeline: str
    destination: str
    resumed: bool
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StepStarted(Event):
    step: str
    title: str
    slices: int = 0
    total_pages: int | None = None


@dataclass(frozen=True, slots=True)
class RequestSent(Event):
    """A request left for the network (a page from the cache sends none)."""

    step: str
    url: str
    status: int | None
    seconds: float


@dataclass(frozen=True, slots=True)
class RequestRetried(Event):
    step: str
    url: str
    attempt: int
    reason: str
    wait: float


@dataclass(frozen=True, slots=True)
class Waiting(Event):
    """The throttle holds a request back for ``seconds``."""

    step: str
    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class PageFetched(Event):
    step: str
    slice: str
    page_number: int
    records: int
    bytes: int
    from_cache: bool


@dataclass(frozen=True, slots=True)
class BatchCommitted(Event):
    step: str
    pages: int
    rows: Mapping[str, int]
    cursor: Any
    page_number: int
    seconds: float
    total: int | None = None
    """Records that the API declared, where it does."""
    slices: int = 0
    """Slices that came to their end in this commit."""


@dataclass(frozen=True, slots=True)
class SchemaChanged(Event):
    table: str
    column: str
    before: str | None
    after: str


@dataclass(frozen=True, slots=True)
class RecordsRejected(Event):
    table: str
    count: int
    reason: str


@dataclass(frozen=True, slots=True)
class RemovalsFound(Event):
    table: str
    missing: int
    known: int
    status: str


@dataclass(frozen=True, slots=True)
class SliceFailed(Event):
    step: str
    slice: str
    error: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Suspicion(Event):
    """The truncation sentinel saw something: the run will end as ``suspect``."""

    step: str
    seen: str
    remedy: str


@dataclass(frozen=True, slots=True)
class QualityChecked(Event):
    """A quality check has been made and its result stored. ``examples`` are failing rows as JSON."""

    step: str
    check: str
    kind: str
    table: str
    severity: str
    passed: bool
    result: float | None
    threshold: float | None
    message: str = ""
    examples: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Warned(Event):
    message: str


@dataclass(frozen=True, slots=True)
class StepFinished(Event):
    step: str
    status: RunStatus
    rows: Mapping[str, int] = field(default_factory=dict)
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The columns that the step's tables have by now, and their types."""
    reads: tuple[str, ...] = ()
    """The tables of the destination that its SQL read."""


@dataclass(frozen=True, slots=True)
class RunFinished(Event):
    status: RunStatus
    rows: Mapping[str, int]
    pages: int
    requests: int
    cached: int
    seconds: float
    error: str = ""
    suspicions: Sequence[str] = ()


class EventSink(Protocol):
    """Receives every event of a run, in order, on the event loop's thread."""

    def emit(self, event: Event) -> None: ...
