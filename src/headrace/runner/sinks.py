"""Where events go besides the caller's own sinks: totals, and the progress that others may ask for."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from headrace.core import events
from headrace.core.clock import Clock
from headrace.core.events import Event, EventSink
from headrace.runner.result import CheckSummary

if TYPE_CHECKING:
    from headrace.state.store import StateStore

REFRESH = 0.5
"""Seconds between writes of a run's progress to the state store."""


class Fanout:
    """Hands each event to every sink; one that raises is left out from then on, the run goes on."""

    def __init__(self, sinks: Iterable[EventSink]) -> None:
        self._sinks = list(sinks)

    def emit(self, event: Event) -> None:
        failed: list[str] = []
        for sink in tuple(self._sinks):
            try:
                sink.emit(event)
            except Exception as error:
                self._sinks.remove(sink)
                failed.append(f"{type(sink).__name__} failed ({error!r}) and gets no more events")
        for text in failed:  # only now: every sink has the event itself first, and each is asked but once
            self.emit(events.Warned(event.run_id, text))


class Tally:
    """Totals of one call."""

    def __init__(self) -> None:
        self.rows: Counter[str] = Counter()
        self.pages = self.requests = self.cached = self.retries = 0
        self.step = ""
        self.total: int | None = None
        self.records = 0
        self.checks: list[CheckSummary] = []

    def emit(self, event: Event) -> None:
        match event:
            case events.StepStarted():
                self.step = event.step
            case events.RequestSent():
                self.requests += 1
            case events.RequestRetried():
                self.retries += 1
            case events.PageFetched():
                self.cached += event.from_cache
                self.records += event.records
            case events.BatchCommitted():
                self.rows.update(event.rows)
                self.pages += event.pages
                self.total = event.total
            case events.QualityChecked():
                self.checks.append(CheckSummary(*(getattr(event, field.name) for field in fields(CheckSummary))))
            case _:
                pass

    def progress(self) -> dict[str, Any]:
        """What the state store keeps as a run's progress."""
        return {"step": self.step, "records": self.records, "total": self.total, "rows": dict(self.rows)}


class StateSink:
    """Writes progress to the state store, seldom enough to cost nothing."""

    def __init__(self, store: StateStore, tally: Tally, clock: Clock) -> None:
        self._store, self._tally, self._clock = store, tally, clock
        self._last = -REFRESH

    def emit(self, event: Event) -> None:
        if not isinstance(event, events.BatchCommitted | events.StepStarted):
            return
        now = self._clock.monotonic()
        if now - self._last < REFRESH:
            return
        self._last = now
        with contextlib.suppress(Exception):  # the state store is a convenience: a run never fails for it
            self._store.update_run(
                event.run_id,
                step=self._tally.step,
                progress=self._tally.progress(),
                rows=sum(self._tally.rows.values()),
                pages=self._tally.pages,
                requests=self._tally.requests,
            )
