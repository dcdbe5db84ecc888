"""How far a run is: its events and its percentage, kept until the store has them."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from headrace.core import events
from headrace.core.clock import SystemClock
from headrace.core.events import Event
from headrace.state.progress.contract import MAX_EVENTS, ProgressStore, Request

_QUIET = (events.RequestSent, events.PageFetched, events.BatchCommitted)
"""Too many to keep each one: their counts are in what each flush says."""
_SHOWN = ("step", "progress", "rows", "pages", "requests")


@dataclass(slots=True)
class _Step:
    name: str
    title: str
    status: str = "waiting"
    weight: float = 1.0
    rows: Counter[str] = field(default_factory=Counter)
    pages: int = 0
    records: int = 0
    requests: int = 0
    retries: int = 0
    slices: int = 0
    slices_ended: int = 0
    total: int | None = None
    before: Mapping[str, Any] = field(default_factory=dict)
    """What the last complete run counted."""
    began: float = 0.0
    seconds: float = 0.0

    def share(self) -> float | None:
        """How much of it is done, from 0 to 1; ``None`` where nobody knows."""
        if self.status in ("done", "suspect"):
            return 1.0
        if self.status == "waiting":
            return 0.0
        pairs = (
            (self.slices_ended, self.slices),
            (self.records, self.total),
            (self.pages, self.before.get("pages")),
        )
        for done, whole in pairs:
            if whole:
                return min(0.99, done / whole)
        return None

    def count_on(self, earlier: Mapping[str, Any]) -> None:
        """Go on from what :meth:`shown` said before the run was stopped."""
        self.rows = Counter(earlier.get("rows", {}))
        for name in ("pages", "records", "requests", "retries", "slices_ended", "seconds"):
            setattr(self, name, earlier.get(name, getattr(self, name)))

    def shown(self) -> dict[str, Any]:
        running = self.seconds + (time.monotonic() - self.began if self.status == "running" else 0.0)
        return {
            "step": self.name, "title": self.title, "status": self.status, "rows": dict(self.rows), "pages": self.pages,
            "records": self.records, "requests": self.requests, "retries": self.retries, "slices": self.slices,
            "slices_ended": self.slices_ended, "total": self.total, "seconds": round(running, 3),
        }  # fmt: skip


class Reporter:
    """An event sink that keeps what one run says until :meth:`flush` brings it to the store.

    Emits come from the run's thread, flushes from another. While the store is away at most MAX_EVENTS wait.
    """

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._steps: dict[str, _Step] = {}
        self._current: _Step | None = None
        self._waiting: list[dict[str, Any]] = []
        self._last: int | None = None
        """Number of the last event that the store is known to have."""
        self._doubtful: list[dict[str, Any]] = []
        """Events that the store was given and did not answer for: it may have them."""
        self._progress: float | None = None
        self._told: tuple[str, int] | None = None
        self._changed = False
        self._rows = self._pages = self._requests = 0

    def expect(
        self,
        steps: Sequence[tuple[str, str]],
        before: Mapping[str, Any] | None = None,
        request: Request | None = None,
    ) -> None:
        """The steps to come, as (name, title), and the ``detail`` of the last complete run of the same. What ``request``
        counted until it was stopped stays counted."""
        known = {step["step"]: step for step in (before or {}).get("steps", ())}
        counted = {step["step"]: step for step in (request.detail if request else {}).get("steps", ())}
        spent = {name: max(0.01, float(step.get("seconds") or 0.0)) for name, step in known.items()}
        with self._lock:
            for name, title in steps:
                weight = spent.get(name, 1.0) if len(spent) >= len(steps) else 1.0
                self._steps[name] = _Step(name, title, weight=weight, before=known.get(name, {}))
                self._steps[name].count_on(counted.get(name, {}))
            if request is not None:
                self._rows, self._pages, self._requests = request.rows, request.pages, request.requests
            if steps:
                self._current = self._steps[steps[0][0]]
            self._changed = True

    def emit(self, event: Event) -> None:
        with self._lock:
            self._count(event)
            self._changed = True
            if not isinstance(event, _QUIET):
                self._waiting.append({"at": SystemClock().now(), **plain(event)})
                if len(self._waiting) > 2 * MAX_EVENTS:
                    del self._waiting[:-MAX_EVENTS]

    def fields(self) -> dict[str, Any]:
        """What the store is to say of the request now."""
        with self._lock:
            return self._fields()

    def flush(self, store: ProgressStore, owner: str) -> bool:
        """Bring what is new to ``store``; whether there was something and ``owner`` holds the request. Else, and when it
        raises StateError, it is kept."""
        with self._flushing:
            with self._lock:
                if not self._changed:
                    return False
                changes, self._changed = self._fields(), False
                batch, self._waiting = self._waiting, []
            stored = False
            try:
                if stored := store.update(self.request_id, owner, **changes):
                    # Not each one: the store keeps so many events, and what people have to read is among them.
                    stands = changes["step"], int(changes["progress"] or 0)
                    if stands != self._told:
                        batch.append({"type": "Progress", **{name: changes[name] for name in _SHOWN}})
                        self._told = stands
                    self._append(store, batch)
            except BaseException:
                stored = False
                raise
            finally:
                if not stored:  # away, or emptied and about to be filled again
                    with self._lock:
                        self._waiting = [*batch, *self._waiting][-MAX_EVENTS:]
                        self._changed = True
            return stored

    def _append(self, store: ProgressStore, batch: list[dict[str, Any]]) -> None:
        if self._last is None:
            self._last = store.append_events(self.request_id, [])
        if self._doubtful:
            there = len(store.events(self.request_id, after=self._last, limit=len(self._doubtful)))
            self._doubtful = self._doubtful[there:]
            self._last += there
        self._doubtful = [*self._doubtful, *batch][-2 * MAX_EVENTS :]
        batch.clear()  # from here on it is kept there
        self._last = store.append_events(self.request_id, self._doubtful)
        self._doubtful = []

    def _fields(self) -> dict[str, Any]:
        current = self._current
        return {
            "step": current.title if current else "",
            "progress": self._percent(),
            "detail": {"steps": [step.shown() for step in self._steps.values()]},
            "rows": self._rows,
            "pages": self._pages,
            "requests": self._requests,
        }

    def _percent(self) -> float | None:
        whole = sum(step.weight for step in self._steps.values())
        if not whole:
            return None
        done, known = 0.0, False
        for step in self._steps.values():
            share = step.share()
            known = known or (share is not None and step.status != "waiting")
            done += step.weight * (share or 0.0)
        if known:
            self._progress = max(self._progress or 0.0, round(min(99.9, 100 * done / whole), 1))
        return self._progress

    def _count(self, event: Event) -> None:
        name = getattr(event, "step", None)
        step = self._steps.get(name) if isinstance(name, str) else None
        match event:
            case events.StepStarted():
                step = self._steps.setdefault(event.step, _Step(event.step, event.title))
                step.title, step.status, step.slices = event.title, "running", event.slices
                step.began = time.monotonic()
                self._current = step
            case events.RequestSent() if step:
                step.requests += 1
                self._requests += 1
            case events.RequestRetried() if step:
                step.retries += 1
            case events.PageFetched() if step:
                step.records += event.records
            case events.BatchCommitted() if step:
                step.rows.update(event.rows)
                step.pages += event.pages
                step.total = None if step.slices else event.total
                step.slices_ended += event.slices
                self._rows += sum(event.rows.values())
                self._pages += event.pages
            case events.StepFinished() if step:
                step.status = event.status
                step.seconds += time.monotonic() - step.began
            case _:
                pass


def plain(event: Event) -> dict[str, Any]:
    """``event`` as JSON. Its own run id goes without saying, and a destination has a name here, no URL."""
    found = {f.name: getattr(event, f.name) for f in fields(event) if f.name not in ("run_id", "destination")}
    return {"type": type(event).__name__, **{name: _json(value) for name, value in found.items()}}


def _json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_json(item) for item in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
