"""``headrace schema``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headrace.cli import _options

if TYPE_CHECKING:
    from headrace.inspect.schema import SchemaPage


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
def history_(table: str, destination: str | None, state: Path | None, as_json: bool) -> int:
    """Show which column of TABLE came or widened when, and by which run and page."""
    from headrace.cli import _database, _table
    from headrace.inspect.schema import history

    target = _database.resolve(destination, state)
    with _database.opened(target, state) as session:
        found = history(session, target, table)
    if as_json:
        name = target.capabilities().fold(table)
        document = {"status": "ok", "table": name, "history": [asdict(each) for each in found], "exit_code": 0}
        click.echo(json.dumps(document))
        return 0
    rows = [
        (
            each.version, each.column, f"{each.before} -> {each.type}" if each.before else each.type, each.changed_at,
            each.run_id or "declared in the file", _page(each.page),
        )
        for each in found
    ]  # fmt: skip
    names = ("version", "column", "type", "changed", "by run", "page")
    for line in _table.table(names, rows, width=_table.terminal_width()):
        click.echo(line)
    return 0


def _page(page: SchemaPage | None) -> str:
    if page is None:
        return ""
    return f"{page.number} of {page.step}" + (f", slice {page.slice}" if page.slice else "")
