"""What every keeper of state offers: SQLite here; Redis and PostgreSQL for several service instances.

:mod:`headrace.testing.state_suite` holds the tests that each of them passes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

GONE = "interrupted (process gone)"
"""Shown as the status of a run that is stored as running while no process runs it; never stored."""

STALE_AFTER = 30.0
"""Seconds without a heartbeat after which a process on another host counts as gone."""


@dataclass(frozen=True, slots=True)
class RunEntry:
    """A run as ``runs`` and ``status`` show it. Times are microseconds since 1970 UTC; 0 is unset.

    The destination's ``headrace_runs`` is the truth; this is where to find it, and how far it is.
    ``destination`` and ``params`` hold no secret; what JSON lacks (dates) is kept in ``params`` and
    ``progress`` as text.
    """

    run_id: str
    pipeline: str
    org: str = "default"
    destination: str = ""
    status: str = "running"
    step: str = ""
    progress: Mapping[str, Any] = field(default_factory=dict)
    rows: int = 0
    pages: int = 0
    requests: int = 0
    pid: int = 0
    host: str = ""
    started_at: int = 0
    updated_at: int = 0
    finished_at: int | None = None
    error: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that runs a run; ``heartbeat`` is its last one, in microseconds since 1970 UTC."""

    pid: int
    host: str
    heartbeat: int
    alive: bool


class Limit(Protocol):
    """A request limit that all processes on this state share."""

    def reserve(self, requests: int, per_seconds: float, burst: int = 0) -> float:
        """Count one request and return the seconds to wait before it may go (0.0: now).

        No window of ``per_seconds`` holds more than ``requests`` of the moments so given, whoever they
        were given to; with a ``burst``, nor its share of a window more than that many. A reservation is not handed back. One name, one rule: a source with two rules
        has two limits.
        """
        ...


class State(Protocol):
    """All methods are short, and safe from several threads and processes.

    Losing what is kept never breaks a run: a store that cannot be reached warns once, forgets what it is
    told and answers from what this process told it.
    """

    def put_run(self, entry: RunEntry) -> None:
        """Insert or replace. ``pid`` and ``host`` are this process's, and the times now, where unset."""
        ...

    def update_run(self, run_id: str, **fields: Any) -> None:
        """Set fields of :class:`RunEntry`; ``updated_at`` is set anyway. Nothing happens for an unknown run."""
        ...

    def run(self, run_id: str) -> RunEntry | None: ...
    def runs(self, *, limit: int = 100, pipeline: str | None = None, org: str | None = None) -> list[RunEntry]:
        """Latest start first."""
        ...

    def heartbeat(self, run_id: str) -> None:
        """This process runs ``run_id`` at this moment."""
        ...

    def release(self, run_id: str) -> None:
        """This process no longer runs ``run_id``; no effect on a lease of another one."""
        ...

    def holder(self, run_id: str) -> Holder | None:
        """Who held the run last; ``None`` when it was released or never held."""
        ...

    def get_token(self, name: str) -> dict[str, Any] | None: ...
    def put_token(self, name: str, token: Mapping[str, Any] | None) -> None:
        """Keep a rotated token, or forget it (``None``). On disk, through a power cut, when it returns."""
        ...

    def take_turn(self, name: str, owner: str) -> bool:
        """Whether ``owner`` (a text of its own) may now do what ``name`` stands for, and nobody else until
        :meth:`end_turn`, or until this process is gone. True as well when the store cannot be reached."""
        ...

    def end_turn(self, name: str, owner: str) -> None:
        """No effect on a turn of another owner."""
        ...

    def limit(self, name: str) -> Limit: ...
    def close(self) -> None: ...
