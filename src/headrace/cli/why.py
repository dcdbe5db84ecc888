"""``headrace why``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from headrace.cli import _options


@click.command("why", context_settings={"ignore_unknown_options": True})
@click.argument("table")
@click.argument("key", nargs=-1, required=True)
@_options.destination
@_options.state
@_options.as_json
def command(table: str, key: tuple[str, ...], destination: str | None, state: Path | None, as_json: bool) -> int:
    """Show the request, the answer and the bytes that made the row of TABLE with this KEY.

    KEY is the value of the key column, the values of several in order, or column=value.

    \b
    headrace why sapi_titles 1043
    headrace why sapi_offers sapi_id=1043 country=US service_id=netflix
    """
    from headrace.cli import _database, _table
    from headrace.cli._times import utc
    from headrace.inspect.why import why

    target = _database.resolve(destination, state)
    with _database.opened(target, state) as session:
        found = why(session, target, table, key)
        _database.own_run(session, found.page.run_id)
    page, run = found.page, found.run
    if as_json:
        document = {
            "status": "ok", "table": found.table, "row": dict(found.row), "run_id": page.run_id, "step": page.step,
            "slice": page.slice, "page": page.page_number, "record": found.record, "url": page.url,
            "answer_status": page.status, "fetched_at": utc(page.fetched_at),
            "bytes": found.bytes.decode("utf-8", "replace"), "exit_code": 0,
        }  # fmt: skip
        click.echo(json.dumps(document, default=str))
        return 0
    width = _table.terminal_width() or 120
    part = f", slice {page.slice}" if page.slice else ""
    named = f" --step {page.step}" + (f" --slice '{page.slice}'" if page.slice else "")
    click.echo(found.table)
    name_width = min(max(map(len, found.row), default=0), 30)
    for name, value in found.row.items():
        click.echo("  " + _table.fit(f"{name:<{name_width}}  {_table.cell(value)}", width - 2).rstrip())
    click.echo("")
    click.echo(f"run      {page.run_id}" + (f" (pipeline {run.pipeline}, {run.status})" if run is not None else ""))
    click.echo(f"request  {_table.printable(page.url)}")
    click.echo(f"answer   {page.status}, fetched {utc(page.fetched_at)}")
    click.echo(
        f"page     {page.page_number} of step {page.step}{part}    (headrace raw {page.run_id} --page {page.page_number}{named})"
    )
    click.echo(f"record   number {found.record} of the page, counted from 0, {len(found.bytes):,} bytes:")
    if found.older:
        click.echo(f"         ({found.older} more states or scopes have this row; this is the latest)")
    click.echo("")
    sys.stdout.flush()
    sys.stdout.buffer.write(found.bytes + b"\n")
    sys.stdout.buffer.flush()
    return 0
