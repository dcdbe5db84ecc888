"""What every store of the service offers: SQLite by default, Redis and PostgreSQL for several instances.

:mod:`headrace.testing.progress_suite` holds the tests that each of them passes. The destination's tables stay the
truth: losing this store costs history, schedules, keys and the queue, never rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

RequestStatus = Literal["queued", "running", "done", "partial", "suspect", "failed", "interrupted", "cancelled"]

ACTIVE: frozenset[str] = frozenset({"queued", "running"})
ENDED: frozenset[str] = frozenset({"done", "partial", "suspect", "failed", "interrupted", "cancelled"})

MAX_EVENTS = 1_000
"""Events kept of one request; older ones go."""


@dataclass(frozen=True, slots=True)
class Request:
    """One asked-for run. ``request_id`` is its run_id. Times are microseconds since 1970 UTC; 0 is unset. Holds no
    secret: ``destination`` is a name of the service's configuration, never a URL."""

    request_id: str
    pipeline: str
    org: str = "default"
    destination: str = ""
    scope: str = ""
    """Fingerprint of pipeline, inputs, destination and organisation: one scope runs once at a time."""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    """``max_pages``, ``steps``, the pipeline's version, who asked, the schedule that asked."""
    status: RequestStatus = "queued"
    step: str = ""
    """Title of the step it is at."""
    progress: float | None = None
    """Percent, never falling; ``None`` where there is no basis."""
    detail: Mapping[str, Any] = field(default_factory=dict)
    """Counts of each step, as the page shows them."""
    rows: int = 0
    pages: int = 0
    requests: int = 0
    error: str = ""
    remedy: str = ""
    owner: str = ""
    """The instance that runs it."""
    cancel: bool = False
    created_at: int = 0
    started_at: int = 0
    updated_at: int = 0
    finished_at: int = 0


@dataclass(frozen=True, slots=True)
class Document:
    """A small JSON object under a kind and a name (an API key's hash, a schedule, a version of a pipeline)."""

    kind: str
    name: str
    body: Mapping[str, Any]
    version: int
    """From 1; grows by one with each write."""


class ProgressStore(Protocol):
    """Methods are short and synchronous (call them off the event loop), safe from several threads and instances.
    Each raises StateError while the store cannot be reached; nothing is then half-written."""

    def create(self, request: Request, *, key: str = "") -> Request:
        """Queue ``request``. An idempotency ``key`` that was used for the organisation before gives the request that
        it made then, and a ``request_id`` that is there already gives that one: asking twice is safe. Raises
        ScopeIsBusy, which names the request, when its scope is queued or running."""
        ...

    def get(self, request_id: str) -> Request | None: ...

    def latest(self, *, org: str | None = None) -> Request | None:
        """The running one that began last, else the queued one that was asked for last, else the one that ended
        last."""
        ...

    def find(
        self,
        *,
        org: str | None = None,
        pipeline: str | None = None,
        status: Sequence[str] = (),
        before: tuple[int, str] | None = None,
        limit: int = 100,
    ) -> list[Request]:
        """Newest first by (created_at, request_id); ``before`` is that pair of the last one seen."""
        ...

    def update(self, request_id: str, owner: str, **changes: Any) -> bool:
        """Set fields of :class:`Request` and ``updated_at``. False, and nothing is set, when ``owner`` does not hold
        it (any more). ``progress`` never falls, nor goes back to ``None``. A status of ENDED gives the request up and
        sets ``finished_at`` unless told. Raises TypeError for what is no such field."""
        ...

    def reopen(self, request_id: str) -> bool:
        """Queue an ended request again (resume); clears ``cancel`` and ``error``. False when it is queued or running.
        Raises ScopeIsBusy as :meth:`create`."""
        ...

    def ask_cancel(self, request_id: str) -> bool:
        """Ask for an end: a queued one is ``cancelled`` at once, of a running one ``cancel`` is set. False when it has
        ended already."""
        ...

    def claim(self, owner: str, *, lease_seconds: float) -> Request | None:
        """Take a running request whose lease has run out, else the queued one that has waited longest (one that was
        given back waits anew), for ``owner``: exactly one instance gets it. It is ``running`` from now on. One that ``owner`` held itself may come as well, after its lease
        ran out or the answer to an earlier call was lost on its way."""
        ...

    def beat(self, owner: str, request_ids: Sequence[str], *, lease_seconds: float) -> frozenset[str]:
        """Renew the leases, also one that ran out while nobody claimed it; returns the ids that ``owner`` still
        holds."""
        ...

    def restore(self, request: Request, owner: str, *, lease_seconds: float) -> bool:
        """For a request that ``owner`` is running and no longer holds: take it again when the store has lost it (it was
        emptied) or shows it as queued (it came back as it was earlier). False when it is another's, has ended, or
        another request of its scope is queued or running."""
        ...

    def give_back(self, request_id: str, owner: str) -> None:
        """Queue it again for another instance (a drained service); no effect when ``owner`` does not hold it."""
        ...

    def append_events(self, request_id: str, events: Sequence[Mapping[str, Any]]) -> int:
        """Keep events, in order; returns the number of the last (they count from 1 for each request). Only the last
        MAX_EVENTS stay. 0, and nothing is kept, for an unknown request."""
        ...

    def events(self, request_id: str, *, after: int = 0, limit: int = 500) -> list[tuple[int, dict[str, Any]]]: ...

    def put(self, kind: str, name: str, body: Mapping[str, Any], *, expected: int | None = None) -> int | None:
        """Write a document; returns its version. With ``expected`` (0: must be new) only over that version, else
        ``None`` and nothing is written."""
        ...

    def document(self, kind: str, name: str) -> Document | None: ...
    def documents(self, kind: str, *, prefix: str = "") -> list[Document]:
        """By name."""
        ...

    def delete(self, kind: str, name: str) -> bool: ...
    def forget(self, *, before: int) -> int:
        """Delete ended requests, with their events and keys, that ended before ``before``; returns how many."""
        ...

    def ping(self) -> None:
        """Raises StateError when the store cannot be reached."""
        ...

    def close(self) -> None: ...
