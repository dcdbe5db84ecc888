"""Progress of a run: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import shutil
import time
from typing import IO, TYPE_CHECKING, Any, Protocol

from headrace.cli._table import printable
from headrace.cli._times import span
from headrace.core import events
from headrace.core.events import Event

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import Task
    from rich.text import Text

PLAIN_EVERY = 5.0
"""Seconds between plain lines."""
RATE_OVER = 5.0
"""Seconds that the shown rate of requests is taken over."""


class Progress(Protocol):
    """An event sink that shows something until it is closed."""

    def emit(self, event: Event) -> None: ...
    def close(self) -> None: ...


class Counts:
    """What progress shows of one step, added up from events."""

    def __init__(self, title: str = "", slices: int = 0) -> None:
        self.title, self.slices = title, slices
        self.pages = self.committed = self.records = self.rows = self.requests = self.retries = self.kept = 0
        self.before = 0
        """Pages that earlier calls committed (of a crawl without slices)."""
        self.total: int | None = None
        self.waiting = ""
        self.wait_until = 0.0
        self.slices_ended = self.slices_failed = 0
        self._sent: list[float] = []

    def add(self, event: Event) -> None:
        now = time.monotonic()
        match event:
            case events.RequestSent():
                self.requests += 1
                self._sent = [*(t for t in self._sent if t > now - RATE_OVER), now]
            case events.PageFetched():
                if not self.pages and not event.slice:
                    self.before = event.page_number - 1
                self.pages += 1
                self.records += event.records
                self.kept += event.from_cache
                self.wait_until = 0.0
            case events.BatchCommitted():
                self.committed += event.pages
                self.rows += sum(event.rows.values())
                self.total = None if self.slices else event.total
                self.slices_ended += event.slices
            case events.RequestRetried():
                self.retries += 1
                self.waiting, self.wait_until = f"trying again: {printable(event.reason)}", now + event.wait
            case events.Waiting():
                self.waiting, self.wait_until = printable(event.reason), now + event.seconds
            case events.SliceFailed():
                self.slices_failed += 1
            case _:
                pass

    @property
    def bar(self) -> tuple[int | None, int]:
        """(how much there is, how much is done): slices, or records where the API declares them. Full only
        at the end of the step."""
        total, done = (self.slices, self.slices_ended) if self.slices else (self.total, self.seen)
        return total, max(0, done if total is None else min(done, total - 1))

    @property
    def seen(self) -> int:
        """Records of this step so far; those of earlier calls by the mean of this one's pages."""
        return self.records + (self.before * self.records // self.pages if self.pages else 0)

    def text(self, width: int = 200) -> str:
        """One line that fits ``width``: what matters most comes first."""
        now = time.monotonic()
        recent = [t for t in self._sent if t > now - RATE_OVER]
        # A rate over less than a second would jump about.
        rate = len(recent) / max(now - recent[0], 1.0) if recent else 0.0
        share = f" ({min(99, 100 * self.seen // self.total)} %)" if self.total else ""
        resumed = f" (+{self.before:,} before)" if self.before else ""
        parts = [f"{self.pages:,} {_s(self.pages, 'page')}{resumed}{share}", f"{self.rows:,} {_s(self.rows, 'row')}"]
        if self.wait_until > now + 0.5:
            parts.append(f"waiting {span(self.wait_until - now)} ({self.waiting})")
        parts.append(f"{rate:.1f} requests/s")
        if self.retries:
            parts.append(f"{self.retries:,} {'retry' if self.retries == 1 else 'retries'}")
        if self.slices:
            parts.insert(2, f"{self.slices_ended:,} of {self.slices:,} slices")
        if self.slices_failed:
            parts.append(f"{self.slices_failed:,} of {self.slices:,} slices failed")
        if self.kept:
            parts.append(f"{self.kept:,} from the cache")
        line = parts[0]
        for part in parts[1:]:
            if len(line) + 3 + len(part) > width:
                break
            line += f" · {part}"
        return line if len(line) <= width else f"{self.pages:,} pages"[: max(width, 0)]


def notice(event: Event) -> str | None:
    """What a person should read even though the run goes on."""
    match event:
        case events.RunStarted(resumed=True):
            return f"resuming run {event.run_id}"
        case events.SchemaChanged(before=str()) if event.before != "untyped":
            return f"column {event.table}.{event.column} widened from {event.before} to {event.after}"
        case events.RecordsRejected():
            records = "1 record" if event.count == 1 else f"{event.count:,} records"
            return f"{records} kept in {event.table}_rejected: {event.reason}"
        case events.RemovalsFound():
            rows = f"{event.missing:,} of {event.known:,} rows of {event.table}"
            if event.status == "held":
                return f"{rows} are gone at once: held back, see `headrace removals list`"
            return f"{rows} are no longer there (kept, see {event.table}_removed)"
        case events.Suspicion():
            return f"suspicious: {event.seen} (remedy: {event.remedy.replace('RUN_ID', event.run_id)})"
        case events.SliceFailed():
            return f"slice {event.slice} failed (attempt {event.attempt}): {event.error}"
        case events.Warned():
            return f"warning: {event.message}"
        case _:
            return None


class Plain:
    """A line at the start and the end of a step, every few seconds, and for each notice."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._counts = Counts()
        self._last = time.monotonic()

    def emit(self, event: Event) -> None:
        if isinstance(event, events.StepStarted):
            self._counts = Counts(event.title, event.slices)
            slices = f", {event.slices:,} slices" if event.slices else ""
            self._print(f"{event.title}{slices}")
        self._counts.add(event)
        if text := notice(event):
            self._print(text)
        if isinstance(event, events.StepFinished):
            if self._counts.pages:
                self._print(self._line())
        elif time.monotonic() - self._last >= PLAIN_EVERY:
            self._print(self._line())

    def _line(self) -> str:
        return f"{self._counts.title}: {self._counts.text()}"

    def _print(self, text: str) -> None:
        self._last = time.monotonic()
        print(_one_line(text), file=self._stream, flush=True)

    def close(self) -> None:
        """Nothing is held open."""


class Bar:
    """A live bar for each step; pulsing where nobody knows how much there is."""

    def __init__(self, stream: IO[str]) -> None:
        from rich.console import Console

        self._console = Console(file=stream)
        self._counts = Counts()
        self._bar = _rich(self._console)
        self._task: Any = None
        self._bar.start()

    def emit(self, event: Event) -> None:
        if isinstance(event, events.StepStarted):
            self._counts = Counts(event.title, event.slices)
            self._task = self._bar.add_task(_one_line(event.title), total=None, counts=self._counts, ended="")
        counts = self._counts
        counts.add(event)
        if text := notice(event):
            self._console.print(_one_line(text), markup=False, highlight=False)
        if self._task is None:
            return
        if isinstance(event, events.StepFinished):
            whole = event.status == "done"
            total, done = (1, 1) if whole else counts.bar
            self._bar.update(self._task, total=total, completed=done, ended=event.status)
            self._bar.stop_task(self._task)
        elif isinstance(event, events.BatchCommitted):
            total, done = counts.bar
            self._bar.update(self._task, total=total, completed=done)

    def close(self) -> None:
        self._bar.stop()


def _rich(console: Any) -> RichProgress:
    """The columns of the bar, as many as the terminal has room for; counts are read at each refresh, so that
    a wait counts down while nothing happens."""
    from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as RichProgress
    from rich.table import Column
    from rich.text import Text

    width = console.width
    bar, elapsed = 20 if width >= 90 else 0, width >= 60
    title = min(24, width // 4)
    room = width - title - 4 - (bar + 1 if bar else 0) - (8 if elapsed else 0)

    class CountsColumn(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(task.fields["counts"].text(room), no_wrap=True, overflow="ellipsis")

    columns: list[ProgressColumn] = [
        SpinnerColumn(finished_text="✓"),
        TextColumn(
            "{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis", max_width=title)
        ),
    ]
    if bar:
        columns.append(BarColumn(bar_width=bar))
    columns.append(CountsColumn(table_column=Column(no_wrap=True, overflow="ellipsis", max_width=max(room, 8))))
    if elapsed:
        columns.append(TimeElapsedColumn())
    return RichProgress(*columns, console=console, refresh_per_second=8, transient=False)


def _s(number: int, what: str) -> str:
    return what if number == 1 else f"{what}s"


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()))


def make(kind: str, stream: IO[str], *, quiet: bool) -> Progress | None:
    """The progress for ``--progress``: a bar on a terminal, plain lines elsewhere. ``quiet``: logs are
    shown already, so `auto` shows no progress beside them."""
    if kind == "none" or quiet:
        return None
    smart = stream.isatty() and shutil.get_terminal_size().columns >= 20
    return Bar(stream) if kind == "auto" and smart else Plain(stream)
