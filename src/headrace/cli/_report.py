"""What `run` and `resume` show: progress and logs on stderr, the summary at the end."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headrace.core.errors import DestinationBusy
from headrace.core.events import BatchCommitted, Event, EventSink, RunStarted

if TYPE_CHECKING:
    from headrace.runner.result import RunResult

_EXAMPLE = 240
"""Characters shown of a row that failed a check."""


class _Known:
    """Remembers which run this is, for what is said when it fails."""

    run_id = destination = ""
    resumed = False
    pages = 0

    def emit(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self.run_id, self.destination, self.resumed = event.run_id, event.destination, event.resumed
        elif isinstance(event, BatchCommitted):
            self.pages += event.pages


class Report:
    """The sinks of one call, and its last words."""

    def __init__(self, sinks: Sequence[EventSink], as_json: bool, before: Callable[[], None], again: str) -> None:
        self._known = _Known()
        self._again = again
        self._before = before
        self.sinks = (self._known, *sinks)
        self._as_json = as_json

    def facts(self) -> dict[str, Any]:
        """What is said after the error, and in the JSON of a failure; nothing before the run began."""
        known = self._known
        if not known.run_id:
            return {}
        found = {"run_id": known.run_id, "destination": known.destination, "pages": known.pages}
        if not (known.pages or known.resumed):
            return {**found, "note": "nothing was committed yet: mend what the error says, and run it again"}
        safe = f"{_count(known.pages, 'page')} of this call committed, and safe" if known.pages else "nothing is lost"
        return {**found, "note": f"{safe}; go on with: headrace resume {known.run_id}{self._again}"}

    def finish(self, result: RunResult) -> None:
        """Print how the run ended, on stdout: for people, or as JSON. The progress bar is gone by then."""
        self._before()
        if self._as_json:
            click.echo(json.dumps(result.as_dict(), default=str))
            return
        for line in summary(result, self._again):
            click.echo(line)


_VERBS = {"done": "Done", "partial": "Paused", "suspect": "Suspect", "interrupted": "Stopped", "failed": "Failed"}


def summary(result: RunResult, again: str = "") -> Iterator[str]:
    """How a run ended, where its rows are, and what to do next; ``again`` are the options that a resume needs
    too, with a blank before them."""
    if result.resumed and not result.pages and not result.requests and result.status in ("done", "suspect"):
        yield f"Run {result.run_id} is {result.status} already; nothing was asked of the API."
    else:
        cached = f", {_count(result.cached, 'answer')} kept from before" if result.cached else ""
        retries = f", {result.retries:,} {'retry' if result.retries == 1 else 'retries'}" if result.retries else ""
        again = " (resumed)" if result.resumed else ""
        yield (
            f"{_VERBS.get(result.status, result.status)}{again}: {_count(result.pages, 'page')} with "
            f"{_count(result.requests, 'request')}{cached}{retries} in {result.seconds:.1f} s"
        )
    width = max((len(table) for table in result.rows), default=0)
    for table, rows in result.rows.items():
        yield f"  {table:<{width}}  {rows:>10,} rows written"
    if result.status == "done" and result.pages and not any(result.rows.values()):
        yield "  the API had no record"
    yield f"  in   {result.destination}"
    yield f"  run  {result.run_id}"
    if result.error:
        first, *more = result.error.splitlines()
        yield f"  why  {first}"
        yield from (f"       {_clipped(line) if line.startswith('  {') else line}" for line in more)
    yield from _checks(result)
    for seen, remedy in result.suspicions:
        if seen != result.error:
            yield f"  seen {seen}"
        yield f"       remedy: {remedy.replace('RUN_ID', result.run_id)}"
    if result.status == "suspect":
        yield f"  next headrace accept {result.run_id}    (takes it as complete)"
    elif result.status in ("partial", "interrupted", "failed"):
        yield f"  next headrace resume {result.run_id}{again}"
    elif result.rows and not result.resumed:
        named = "" if result.destination == "duckdb:///headrace.duckdb" else f" --destination {result.destination}"
        yield f'  next headrace query "SELECT * FROM {next(iter(result.rows))} LIMIT 5"{named}'


def _checks(result: RunResult) -> Iterator[str]:
    """How many quality checks passed, and what a warning says; what fails the run is said as its error."""
    if result.checks:
        passed = sum(check.passed for check in result.checks)
        yield f"  checks {passed} of {len(result.checks)} passed"
    for check in result.checks:
        if not check.passed and check.severity == "warn":
            yield f"  warn {check.check}: {check.message}"
            yield from (f"       {_clipped(row)}" for row in check.examples)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


@contextmanager
def showing(
    progress: str, as_json: bool, log_format: str, verbose: int, state: Path | None, again: str
) -> Iterator[Report]:
    """Show events while the body runs, and say what is safe when it fails. ``again``: as for :func:`summary`."""
    from headrace.cli import _database
    from headrace.cli._progress import make
    from headrace.runner.telemetry import LogSink, from_environment

    sinks: list[EventSink] = []
    if verbose or log_format == "json":
        sinks.append(LogSink(log_format, verbose))
    bar = make(progress, sys.stderr, quiet=bool(sinks) and progress == "auto")
    sinks += from_environment(os.environ)
    if bar is not None:
        sinks.append(bar)

    def close() -> None:
        if bar is not None:
            bar.close()

    report = Report(sinks, as_json, close, again)
    try:
        yield report
    except BaseException as error:
        close()
        facts = click.get_current_context().obj
        if isinstance(facts, dict):
            facts.update(report.facts())
        if isinstance(error, DestinationBusy):
            # The error carries the file's name alone: whose run it is stands in the state store.
            with _database.opened_state(state) as store:
                raise _database.explained(error, "", store) from error
        raise
    finally:
        close()


def _clipped(row: str) -> str:
    """An example on about two lines; the results' table and `--json` have it whole."""
    return row if len(row) <= _EXAMPLE else f"{row[: _EXAMPLE - 1]}…"
