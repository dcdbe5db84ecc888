"""Progress of a run: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import IO, Any, Protocol

from headrace.core import events
from headrace.core.events import Event

PLAIN_EVERY = 5.0
"""Seconds between plain lines."""


class Progress(Protocol):
    """An event sink that shows something until it is closed."""

    def emit(self, event: Event) -> None: ...
    def close(self) -> None: ...


class Counts:
    """What progress shows, added up from events."""

    def __init__(self) -> None:
        self.title = ""
        self.pages = self.records = self.rows = self.requests = self.retries = self.kept = 0
        self.total: int | None = None
        self.waiting = ""
        self.wait_until = 0.0
        self.slices = self.slices_failed = 0
        self._sent: list[float] = []

    def add(self, event: Event) -> None:
        now = time.monotonic()
        match event:
            case events.StepStarted():
                self.title, self.slices = event.title, event.slices
            case events.RequestSent():
                self.requests += 1
                self._sent = [t for t in self._sent if t > now - 5] + [now]
            case events.PageFetched():
                self.pages += 1
                self.records += event.records
                self.kept += event.from_cache
            case events.BatchCommitted():
                self.rows += sum(event.rows.values())
                self.total = event.total
            case events.RequestRetried():
                self.retries += 1
                self.waiting, self.wait_until = f"retrying: {event.reason}", now + event.wait
            case events.Waiting():
                self.waiting, self.wait_until = event.reason, now + event.seconds
            case events.SliceFailed():
                self.slices_failed += 1
            case _:
                pass

    def text(self) -> str:
        """One line: pages, rows, rate, and what is waited for."""
        now = time.monotonic()
        recent = [t for t in self._sent if t > now - 5]
        span = max(now - recent[0], 0.2) if recent else 1.0
        parts = [f"{self.pages:,} pages", f"{self.rows:,} rows", f"{len(recent) / span:.1f} requests/s"]
        if self.total:
            parts[0] += f" ({min(100, 100 * self.records // self.total)} %)"
        if self.kept:
            parts.append(f"{self.kept:,} kept from before")
        if self.retries:
            parts.append(f"{self.retries} retries")
        if self.slices_failed:
            parts.append(f"{self.slices_failed} slices failed")
        if self.wait_until > now:
            parts.append(f"waiting {self.wait_until - now:.0f} s ({self.waiting})")
        return " · ".join(parts)


def notice(event: Event) -> str | None:
    """What a person should read even though the run goes on."""
    match event:
        case events.RunStarted(resumed=True):
            return f"resuming run {event.run_id}"
        case events.SchemaChanged(before=str()) if event.before != "untyped":
            return f"column {event.table}.{event.column} widened from {event.before} to {event.after}"
        case events.RecordsRejected():
            return f"{event.count} records kept in {event.table}_rejected: {event.reason}"
        case events.RemovalsFound():
            if event.status == "held":
                return (
                    f"{event.missing:,} of {event.known:,} rows of {event.table} are gone at once: held back, "
                    "see `headrace removals list`"
                )
            return f"{event.missing:,} rows of {event.table} are no longer there (kept, see {event.table}_removed)"
        case events.Suspicion():
            return f"suspicious: {event.seen} ({event.remedy})"
        case events.SliceFailed():
            return f"slice {event.slice} failed (attempt {event.attempt}): {event.error}"
        case events.Warned():
            return f"warning: {event.message}"
        case _:
            return None


class Plain:
    """A line at the start of a step, every few seconds, and for each notice."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._counts = Counts()
        self._last = time.monotonic()

    def emit(self, event: Event) -> None:
        self._counts.add(event)
        if text := notice(event):
            self._print(text)
        if isinstance(event, events.StepStarted):
            self._print(event.title)
        elif time.monotonic() - self._last >= PLAIN_EVERY:
            self._print(self._counts.text())

    def _print(self, text: str) -> None:
        self._last = time.monotonic()
        print(text, file=self._stream, flush=True)  # noqa: T201 - printing is what this class is for

    def close(self) -> None:
        """Nothing is held open."""


class Bar:
    """A live bar; pulsing where nobody knows how much there is."""

    def __init__(self, stream: IO[str]) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        self._console = Console(file=stream)
        self._counts = Counts()
        self._bar = RichProgress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[text]}"),
            TimeElapsedColumn(),
            console=self._console,
            refresh_per_second=8,
            transient=False,
        )
        self._task: Any = None
        self._bar.start()

    def emit(self, event: Event) -> None:
        self._counts.add(event)
        if text := notice(event):
            self._console.print(text, markup=False, highlight=False)
        if isinstance(event, events.StepStarted):
            self._task = self._bar.add_task(event.title, total=None, text="")
        if self._task is not None:
            counts = self._counts
            done = counts.total is not None and counts.records >= counts.total
            self._bar.update(
                self._task, total=counts.total, completed=counts.records if not done else counts.total,
                text=counts.text(),
            )  # fmt: skip
        if isinstance(event, events.StepFinished) and self._task is not None and event.status == "done":
            self._bar.update(self._task, total=1, completed=1)

    def close(self) -> None:
        self._bar.stop()


def make(kind: str, stream: IO[str], *, quiet: bool) -> Progress | None:
    """The progress for ``--progress``: a bar on a terminal, plain lines elsewhere. ``quiet``: logs are
    shown already, so `auto` shows no progress beside them."""
    if kind == "none" or quiet:
        return None
    return Bar(stream) if kind == "auto" and stream.isatty() else Plain(stream)
