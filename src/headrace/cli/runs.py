"""``headrace runs``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from headrace.cli import _options
from headrace.core.organisations import asking

_ALL = 1_000_000


@click.command("runs")
@click.option("--pipeline", metavar="NAME", help="Only runs of this pipeline.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="The latest so many.")
@click.option("--destination", metavar="URL", help="Read this database's own list instead of the state folder.")
@_options.organisation
@_options.state
@_options.as_json
def command(
    pipeline: str | None, limit: int, destination: str | None, org: str | None, state: Path | None, as_json: bool
) -> int:
    """List runs, the latest first.

    Answers from the state folder, also while a run holds its DuckDB file.
    """
    asked = asking(org)
    if destination:
        found = _of_database(destination, state, pipeline, limit, asked)
    else:
        found = _of_state(state, pipeline, limit, asked)
    if as_json:
        click.echo(json.dumps({"status": "ok", "runs": found, "exit_code": 0}, default=str))
        return 0
    if not found:
        click.echo("no runs yet" + (f" of {pipeline}" if pipeline else "") + "; try: headrace run sapi", err=True)
        return 0
    from headrace.cli import _table
    from headrace.cli._times import utc

    names: tuple[str, ...] = ("run", "pipeline", "status", "pages", "rows", "started")
    rows: list[tuple[Any, ...]] = [
        (r["run_id"], r["pipeline"], r["status"], r["pages"], r["rows"], utc(r["started_at"])) for r in found
    ]
    if len({r["destination"] for r in found}) > 1:
        names = (*names, "destination")
        rows = [(*row, r["destination"]) for row, r in zip(rows, found, strict=True)]
    for line in _table.table(names, rows, width=_table.terminal_width()):
        click.echo(line)
    return 0


def _of_state(state: Path | None, pipeline: str | None, limit: int, asked: str | None) -> list[dict[str, Any]]:
    from headrace.cli import _runs
    from headrace.cli._database import opened_state

    with opened_state(state) as store:
        return [_runs.of_entry(entry) for entry in store.runs(limit=limit, pipeline=pipeline, org=asked)]


def _of_database(
    url: str, state: Path | None, pipeline: str | None, limit: int, asked: str | None
) -> list[dict[str, Any]]:
    from headrace.cli import _database, _runs

    target = _database.resolve(url, state)
    with _database.opened(target, state) as session:
        records = session.runs(pipeline=pipeline, limit=limit if asked is None else _ALL)
    own = [record for record in records if asked in (None, record.org)]
    return [_runs.of_record(record, target.url) for record in own[:limit]]
