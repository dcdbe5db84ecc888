"""``headrace removals``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from headrace.cli import _options


@click.group("removals")
def command() -> None:
    """List, confirm or reject rows that are gone from the API.

    Rows that a complete run no longer sees are marked as removed. When too many go at once they are held
    back: a person says whether the API really lost them (confirm) or the crawl did (reject).
    """


@command.command("list")
@click.option("--table", metavar="NAME", help="Only this table.")
@click.option("--held", is_flag=True, help="Only those that wait for a decision.")
@_options.destination
@_options.state
@_options.as_json
def list_(table: str | None, held: bool, destination: str | None, state: Path | None, as_json: bool) -> int:
    """What each run found gone, and what became of it."""
    from headrace.cli import _database, _table
    from headrace.cli._times import utc

    target = _database.resolve(destination, state)
    with _database.opened(target, state) as session:
        found = [each for each in session.removals(table=table) if each.status == "held" or not held]
    if as_json:
        click.echo(json.dumps({"status": "ok", "removals": [asdict(each) for each in found], "exit_code": 0}))
        return 0
    if not found:
        click.echo("nothing is held back" if held else "no run has found rows gone", err=True)
        return 0
    names = ("table", "run", "missing", "of", "status", "found")
    rows = [(r.table, r.run_id, r.missing, r.known, r.status, utc(r.found_at)) for r in found]
    for line in _table.table(names, rows, width=_table.terminal_width()):
        click.echo(line)
    for each in found:
        if each.status == "held":
            click.echo(f"decide: headrace removals confirm {each.table} {each.run_id}   (or reject)")
    return 0


@command.command("confirm")
@click.argument("table")
@click.argument("run_id")
@_options.destination
@_options.state
@_options.as_json
def confirm(table: str, run_id: str, destination: str | None, state: Path | None, as_json: bool) -> int:
    """The rows of TABLE that RUN_ID held back are gone: mark them as removed. Nothing is deleted."""
    return _decide(table, run_id, destination, state, as_json, confirmed=True)


@command.command("reject")
@click.argument("table")
@click.argument("run_id")
@_options.destination
@_options.state
@_options.as_json
def reject(table: str, run_id: str, destination: str | None, state: Path | None, as_json: bool) -> int:
    """The rows of TABLE that RUN_ID held back are still there: leave them current."""
    return _decide(table, run_id, destination, state, as_json, confirmed=False)


def _decide(
    table: str, run_id: str, destination: str | None, state: Path | None, as_json: bool, *, confirmed: bool
) -> int:
    from headrace.cli import _database

    target = _database.resolve(destination, state, run_id)
    with _database.opened(target, state, read_only=False) as session:
        _database.own_run(session, run_id)
        rows = session.decide_removals(table, run_id, confirm=confirmed)
    decision = "confirmed" if confirmed else "rejected"
    if as_json:
        click.echo(json.dumps({"status": decision, "table": table, "run_id": run_id, "rows": rows, "exit_code": 0}))
    elif confirmed:
        click.echo(f"{rows:,} rows of {table} are marked as removed (see {table}_removed)")
    else:
        click.echo(f"{rows:,} rows of {table} stay current")
    return 0
