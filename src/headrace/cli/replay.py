"""``headrace replay``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from headrace.cli import _options


@click.command("replay")
@click.argument("what")
@click.option("--file", "file", type=click.Path(path_type=Path, dir_okay=False), help="Take the mapping of this file.")
@_options.destination
@_options.state
@_options.as_json
def command(what: str, file: Path | None, destination: str | None, state: Path | None, as_json: bool) -> int:
    """Rebuild tables from the archive, without one request.

    WHAT is a pipeline file, a built-in pipeline, a pipeline's name, a table or a run. New tables are filled
    beside the old ones and exchanged at once; when anything fails, the old ones stay as they are.
    """
    from headrace.cli import _database
    from headrace.core.errors import DestinationBusy
    from headrace.runner.replay import replay

    if destination is None:
        with _database.opened_state(state) as store:
            entry = store.run(what)
        destination = entry.destination if entry is not None else None
    try:
        result = replay(what, pipeline_file=file, destination=destination)
    except DestinationBusy as busy:
        with _database.opened_state(state) as store:
            raise _database.explained(busy, destination or "", store) from busy
    if as_json:
        document = {
            "status": "done", "tables": dict(result.tables), "pages": result.pages, "runs": list(result.runs),
            "requests": result.requests, "rejected": result.rejected,
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
    if result.rejected:
        click.echo(f"  {result.rejected:,} records are in the _rejected tables")
    return 0
