"""What `run` and `resume` show: progress and logs on stderr, the summary at the end."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from headrace.core.errors import CannotOpen, DestinationError, SourceError
from headrace.core.events import BatchCommitted, Event, EventSink

if TYPE_CHECKING:
    from headrace.runner.result import RunResult


class _Known:
    """Remembers which run this is, for what is said when it fails."""

    run_id = ""
    pages = 0

    def emit(self, event: Event) -> None:
        self.run_id = event.run_id
        if isinstance(event, BatchCommitted):
            self.pages += event.pages


class Report:
    """The sinks of one call, and its last words."""

    def __init__(self, sinks: Sequence[EventSink], as_json: bool) -> None:
        self._known = _Known()
        self.sinks = (self._known, *sinks)
        self._as_json = as_json

    def failed(self) -> None:
        """Say what is safe and how to go on, where a run has begun."""
        if self._known.run_id:
            click.echo(
                f"{self._known.pages:,} pages were committed by this call; "
                f"go on with: headrace resume {self._known.run_id}",
                err=True,
            )

    def finish(self, result: RunResult) -> None:
        """Print how the run ended, on stdout: for people, or as JSON."""
        if self._as_json:
            click.echo(json.dumps(result.as_dict(), default=str))
            return
        for line in summary(result):
            click.echo(line)


def summary(result: RunResult) -> Iterator[str]:
    """How a run ended, where its rows are, and what to do next."""
    verb = {"done": "Done", "partial": "Paused", "suspect": "Suspect", "interrupted": "Stopped", "failed": "Failed"}
    if result.resumed and not result.pages and not result.requests and result.status in ("done", "suspect"):
        yield f"Run {result.run_id} is {result.status} already; nothing was asked of the API."
    else:
        cached = f", {result.cached:,} answers kept from before" if result.cached else ""
        retries = f", {result.retries:,} retries" if result.retries else ""
        yield (
            f"{verb.get(result.status, result.status)}: {result.pages:,} pages with {result.requests:,} requests"
            f"{cached}{retries} in {result.seconds:.1f} s"
        )
    width = max((len(table) for table in result.rows), default=0)
    for table, rows in result.rows.items():
        yield f"  {table:<{width}}  {rows:>10,} rows"
    yield f"  in {result.destination}, run {result.run_id}"
    if result.error:
        yield f"  why: {result.error}"
    for seen, remedy in result.suspicions:
        yield f"  seen: {seen}\n        {remedy}"
    if result.status == "suspect":
        yield f"  next: headrace accept {result.run_id}   if this is right"
    elif result.status in ("partial", "interrupted", "failed"):
        yield f"  next: headrace resume {result.run_id}"


@contextmanager
def showing(progress: str, as_json: bool, log_format: str, verbose: int) -> Iterator[Report]:
    """Show events while the body runs; the progress bar is gone before the summary is printed."""
    from headrace.cli._logs import LogSink
    from headrace.cli._progress import make

    sinks: list[EventSink] = []
    if verbose or log_format == "json":
        sinks.append(LogSink(log_format, verbose))
    bar = make(progress, sys.stderr, quiet=bool(sinks) and progress == "auto")
    if bar is not None:
        sinks.append(bar)
    report = Report(sinks, as_json)
    try:
        yield report
    except (SourceError, DestinationError) as error:
        if bar is not None:
            bar.close()
        if not isinstance(error, CannotOpen):
            report.failed()
        raise
    finally:
        if bar is not None:
            bar.close()
