"""``headrace status``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headrace.cli import _options
from headrace.core.errors import CannotOpen, InputError
from headrace.core.organisations import asking, check_owner
from headrace.core.suggest import did_you_mean

if TYPE_CHECKING:
    from headrace.state.contract import Holder, RunEntry


@click.command("status")
@click.argument("run_id", required=False)
@_options.destination
@_options.organisation
@_options.state
@_options.as_json
def command(run_id: str | None, destination: str | None, org: str | None, state: Path | None, as_json: bool) -> int:
    """Show how far RUN_ID is (by default the latest run), and what to do next.

    Answers from the state folder, also while the run holds its DuckDB file.
    """
    from headrace.cli import _runs
    from headrace.cli._database import opened_state

    asked = asking(org)
    with opened_state(state) as store:
        latest = store.runs(limit=50, org=asked)
        if run_id is None and not latest:
            raise InputError("there is no run yet", hint="headrace run sapi, or headrace run FILE, makes one")
        run_id = run_id or latest[0].run_id
        entry = None if destination else store.run(run_id)
        if entry is not None:
            check_owner(run_id, entry.org, asked)
        holder = store.holder(run_id)
    if entry is None:
        found = _stored(run_id, destination, state, [each.run_id for each in latest], asked)
        lines = _lines_of_record(found)
    else:
        alive = holder is not None and holder.alive
        found = {**_runs.of_entry(entry), "alive": alive, "heartbeat": holder.heartbeat if holder else None}
        lines = _lines(entry, holder)
    if as_json:
        click.echo(json.dumps({**found, "exit_code": 0}, default=str))
        return 0
    for line in lines:
        click.echo(line)
    return 0


def _stored(run_id: str, url: str | None, state: Path | None, known: list[str], asked: str | None) -> dict[str, Any]:
    """The run as its database has it."""
    from headrace.cli import _database, _runs

    target = _database.resolve(url, state, run_id)
    try:
        with _database.opened(target, state) as session:
            record = session.run(run_id)
    except CannotOpen:
        if url is not None:
            raise
        record = None
    if record is None:
        raise InputError(
            f"run {run_id!r} is not known here{did_you_mean(run_id, known)}",
            hint="`headrace runs` lists the runs; --destination URL names the database that has it",
        )
    check_owner(run_id, record.org, asked)
    return _runs.of_record(record, target.url)


def _lines(entry: RunEntry, holder: Holder | None) -> Iterator[str]:
    from headrace.cli import _runs
    from headrace.cli._times import ago, span

    yield f"{entry.run_id}: {entry.status}"
    done = _runs.percent(entry)
    total = entry.progress.get("total")
    if entry.status == "running" and done is not None and total:
        yield f"  progress     {done} % ({int(entry.progress.get('records') or 0):,} of {int(total):,} records)"
    elif entry.status == "running":
        yield "  progress     the API does not say how much there is"
    yield from _numbers({"pipeline": entry.pipeline, "step": entry.step, "rows": entry.rows, "pages": entry.pages,
                         "requests": entry.requests})  # fmt: skip
    for table, rows in dict(entry.progress.get("rows") or {}).items():
        yield f"    {table}: {int(rows):,}"
    if entry.status == "running" and holder is not None:
        yield f"  process      {holder.pid} on {holder.host}, alive (heartbeat {ago(holder.heartbeat)})"
    elif holder is not None:
        yield f"  process      {holder.pid} on {holder.host} is gone (last heartbeat {ago(holder.heartbeat)})"
    yield f"  started      {ago(entry.started_at)}"
    if entry.finished_at:
        yield f"  took         {span((entry.finished_at - entry.started_at) / 1_000_000)}"
    yield f"  destination  {entry.destination}"
    yield from _error(entry.error)
    if command_ := _runs.next_command(entry.run_id, entry.status):
        yield f"  next         {command_}"


def _lines_of_record(found: dict[str, Any]) -> Iterator[str]:
    from headrace.cli._times import ago

    yield f"{found['run_id']}: {found['status']}"
    yield from _numbers({name: found[name] for name in ("pipeline", "rows", "pages", "requests")})
    yield f"  started      {ago(found['started_at'])}"
    yield f"  destination  {found['destination']}"
    yield from _error(found["error"])
    if found["next"]:
        yield f"  next         {found['next']} --destination {found['destination']}"


def _numbers(values: dict[str, Any]) -> Iterator[str]:
    for name, value in values.items():
        if value != "":
            yield f"  {name:<12} {value:,}" if isinstance(value, int) else f"  {name:<12} {value}"


def _error(text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines()):
        yield f"  {'error' if not number else '':<12} {line}"
