"""``headrace replay``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headrace.cli import _options

if TYPE_CHECKING:
    from headrace.runner.difference import RowDifference, TableDifference
    from headrace.runner.replay import ReplayPlan

_STAYS = "stays as it is: a SQL step adds to it in each run"
WOULD_CHANGE = 4
"""Exit code of --plan where a replay would change something."""


@click.command("replay")
@click.argument("what")
@click.option("--file", "file", type=click.Path(path_type=Path, dir_okay=False), help="Take the mapping of this file.")
@click.option(
    "--plan", "plan", is_flag=True, help="Write nothing: show what would change. Exit code 0: nothing, 4: something."
)
@_options.destination
@_options.state
@_options.as_json
def command(
    what: str, file: Path | None, plan: bool, destination: str | None, state: Path | None, as_json: bool
) -> int:
    """Rebuild tables from the archive, without one request.

    WHAT is a pipeline file, a built-in pipeline, a pipeline's name, a table or a run. New tables are filled
    beside the old ones and exchanged at once; when anything fails, the old ones stay as they are. With --plan
    they are filled in a scratch database on the local disk, and compared with the tables as they are.
    """
    from headrace.cli import _database
    from headrace.core.errors import DestinationBusy
    from headrace.runner.replay import replay

    if destination is None:
        with _database.opened_state(state) as store:
            entry = store.run(what)
        destination = entry.destination if entry is not None else None
    try:
        if plan:
            return _show(replay(what, pipeline_file=file, destination=destination, plan=True), as_json)
        result = replay(what, pipeline_file=file, destination=destination)
    except DestinationBusy as busy:
        with _database.opened_state(state) as store:
            raise _database.explained(busy, destination or "", store) from busy
    if as_json:
        document = {
            "status": "done", "tables": dict(result.tables), "pages": result.pages, "runs": list(result.runs),
            "requests": result.requests, "rejected": result.rejected, "stays": list(result.stays),
            "differences": {name: dict(both) for name, both in result.differences.items()}, "exit_code": 0,
        }  # fmt: skip
        click.echo(json.dumps(document))
        return 0
    runs = f"{len(result.runs):,} run{'' if len(result.runs) == 1 else 's'}"
    click.echo(f"Rebuilt from {result.pages:,} archived pages of {runs}, without a request")
    width = max((len(table) for table in result.tables), default=0)
    for table, rows in result.tables.items():
        before = result.differences.get(table, {}).get("before", rows)
        change = "" if before == rows else f"  (before: {before:,})"
        click.echo(f"  {table:<{width}}  {rows:>10,} rows{change}")
    for table in result.stays:
        click.echo(f"  {table:<{width}}  {_STAYS}")
    if result.rejected:
        click.echo(f"  {result.rejected:,} records are in the _rejected tables")
    return 0


def _show(plan: ReplayPlan, as_json: bool) -> int:
    code = WOULD_CHANGE if plan.changes else 0
    if as_json:
        tables = {
            each.table: {name: value for name, value in asdict(each).items() if name != "table"} for each in plan.tables
        }
        document = {
            "status": "changes" if plan.changes else "unchanged", "tables": tables, "left": list(plan.left),
            "anew": list(plan.anew), "stays": list(plan.stays),
            "pages": plan.pages, "runs": list(plan.runs), "exit_code": code,
        }  # fmt: skip
        click.echo(json.dumps(document))
        return code
    runs = f"{len(plan.runs):,} run{'' if len(plan.runs) == 1 else 's'}"
    click.echo(f"A replay of {plan.pages:,} archived pages of {runs} would change:")
    for table in plan.tables:
        for line in _lines(table):
            click.echo(line)
    for name in plan.left:
        click.echo(f"{name}: stays as it is, since the mapping does not name it")
    for name in plan.anew:
        click.echo(f"{name}: made anew by SQL from the rebuilt tables")
    for name in plan.stays:
        click.echo(f"{name}: {_STAYS}")
    click.echo("Nothing was written" + (": leave out --plan to do it" if plan.changes else ""))
    return code


def _lines(table: TableDifference) -> Iterator[str]:
    before, after = table.rows
    if not table.differs:
        yield f"{table.table}: nothing ({before:,} rows)"
        return
    counts = f"{table.added:,} added, {table.removed:,} removed, {table.changed:,} changed"
    yield f"{table.table}: {before:,} rows -> {after:,} rows ({counts})"
    for name, type in table.columns_added.items():
        yield f"  column   + {name} {type}"
    for name, type in table.columns_dropped.items():
        yield f"  column   - {name} {type}"
    for name, (old, new) in table.types.items():
        yield f"  type     {name}: {old} -> {new}"
    if table.rejected[0] != table.rejected[1]:
        yield f"  rejected {table.rejected[0]:,} -> {table.rejected[1]:,} records"
    for name, rows in table.values.items():
        yield f"  values   {name}: {rows:,} rows"
    yield from map(_example, table.examples)


def _example(row: RowDifference) -> str:
    from headrace.cli._table import printable

    def shown(value: str | None) -> str:
        return "null" if value is None else printable(value)

    sign = {"added": "+", "removed": "-", "changed": "~"}[row.kind]
    key = ", ".join(f"{name}={shown(value)}" for name, value in row.key.items())
    if row.kind == "changed":
        values = ", ".join(f"{name}: {shown(old)} -> {shown(new)}" for name, (old, new) in row.values.items())
    else:
        side = 1 if row.kind == "added" else 0
        values = ", ".join(f"{name}: {shown(pair[side])}" for name, pair in row.values.items())
    return f"  {sign} {key}  {values}".rstrip()
