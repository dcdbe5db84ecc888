"""``headrace schema``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from headrace.cli import _options
from headrace.core.errors import InputError
from headrace.core.suggest import did_you_mean


@click.group("schema", invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> int:
    """Print the JSON Schema of pipeline files; editors complete and check from it.

    \b
    headrace schema > headrace.schema.json
    and as the first line of a file:  # yaml-language-server: $schema=headrace.schema.json
    """
    if ctx.invoked_subcommand is None:
        from headrace.pipeline.schema import json_schema

        click.echo(json.dumps(json_schema(), indent=2))
    return 0


@command.command("history")
@click.argument("table")
@_options.destination
@_options.state
@_options.as_json
def history(table: str, destination: str | None, state: Path | None, as_json: bool) -> int:
    """Show which column of TABLE came or widened when, and by which run."""
    from headrace.cli import _database, _table

    target = _database.resolve(destination, state)
    name = target.capabilities().fold(table)
    order = 'SELECT "version", "column", "type", changed_at, run_id FROM headrace_schemas WHERE "table" = ? '
    with _database.opened(target, state) as session:
        known = _tables(session)
        if name not in known:
            raise InputError(
                f"{target.url} has no table {table!r} of Headrace's{did_you_mean(name, known)}",
                hint=f"tables: {', '.join(known) or 'none yet'}",
            )
        batches = session.query(order + 'ORDER BY "version", "position"', (name,))
        found = [row for batch in batches for row in batch.to_pylist()]
    if as_json:
        click.echo(json.dumps({"status": "ok", "table": name, "history": found, "exit_code": 0}, default=str))
        return 0
    rows = [
        (r["version"], r["column"], r["type"], r["changed_at"], r["run_id"] or "declared in the file") for r in found
    ]
    for line in _table.table(("version", "column", "type", "changed", "by run"), rows, width=_table.terminal_width()):
        click.echo(line)
    return 0


def _tables(session: object) -> list[str]:
    from headrace.core.errors import UsageError

    try:
        batches = session.query('SELECT DISTINCT "table" FROM headrace_schemas ORDER BY 1')  # type: ignore[attr-defined]
        return [str(value) for batch in batches for value in batch.column(0).to_pylist()]
    except UsageError:  # a database that no run has written to
        return []
