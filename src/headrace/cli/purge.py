"""``headrace purge``."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headrace.cli import _options
from headrace.core.errors import InputError, UsageError
from headrace.core.suggest import did_you_mean

if TYPE_CHECKING:
    from headrace.core.contracts import Session


@click.command("purge")
@click.option("--older-than", metavar="TIME", help="Bodies older than this: 30d, 12h, 8w.")
@click.option("--run", "run_id", metavar="ID", help="Bodies of this run.")
@click.option("--removed", metavar="TABLE", help="Rows of TABLE that are no longer there (those in TABLE_removed).")
@_options.confirmed
@_options.destination
@_options.state
@_options.as_json
def command(
    older_than: str | None,
    run_id: str | None,
    removed: str | None,
    yes: bool,
    destination: str | None,
    state: Path | None,
    as_json: bool,
) -> int:
    """Delete archived answers, or removed rows; says what it will delete, and asks.

    Without an option: the bodies that are older than the `retention` of their step. Tables keep their rows;
    `replay` and `why` no longer reach what was deleted. `headrace vacuum` then gives the bytes back.
    """
    from headrace.cli import _database

    if removed and (older_than or run_id):
        raise UsageError("--removed goes alone: it is about rows, the others are about archived answers")
    target = _database.resolve(destination, state, run_id)
    with _database.opened(target, state, read_only=False) as session:
        _database.own_run(session, run_id)
        if removed:
            work = _Work(session, [(removed, None, None, _count_removed(session, removed))], "removed rows")
        else:
            work = _Work(session, _bodies(session, older_than, run_id, target.url), "archived answers")
        if work.total and not yes:
            _ask(work)
        deleted = work.do(removed=removed is not None)
    if as_json:
        click.echo(json.dumps({"status": "done", "deleted": deleted, "exit_code": 0}))
    elif not work.total:
        click.echo(f"no {work.what} to delete")
    else:
        click.echo(f"deleted {sum(deleted.values()):,} {work.what}; `headrace vacuum` gives the bytes back")
    return 0


Part = tuple[str, int | None, str | None, int]
"""(table, older than this moment, of this run, how many)"""


class _Work:
    """What will be deleted."""

    def __init__(self, session: Session, parts: list[Part], what: str) -> None:
        self._session, self.what = session, what
        self.parts = [part for part in parts if part[3]]

    @property
    def total(self) -> int:
        return sum(part[3] for part in self.parts)

    def do(self, *, removed: bool) -> dict[str, int]:
        return {
            table: self._session.purge(table=table, before=before, run_id=run_id, removed=removed)
            for table, before, run_id, _ in self.parts
        }


def _ask(work: _Work) -> None:
    for table, _, _, number in work.parts:
        click.echo(f"will delete {number:,} {work.what} of {table}", err=True)
    if not sys.stdin.isatty():
        raise UsageError("nobody is here to ask", hint="add --yes if that is what you want")
    if not click.confirm("go on?", err=True):
        raise UsageError("nothing was deleted")


def _bodies(session: Session, older_than: str | None, run_id: str | None, place: str) -> list[Part]:
    from headrace.cli._times import seconds_of
    from headrace.inspect.archive import find_run, raw_tables, stored_runs

    runs = [find_run(session, run_id, place)] if run_id else stored_runs(session)
    tables = raw_tables(runs)
    if not (older_than or run_id) and not any(config.raw and config.raw.retention for config in tables.values()):
        raise UsageError(
            "say what to delete: no step of this database has a `retention`",
            hint="headrace purge --older-than 30d, --run ID or --removed TABLE",
        )
    now = time.time_ns() // 1000
    parts: list[Part] = []
    for table, config in tables.items():
        keep = older_than or (config.raw.retention if config.raw and not run_id else None)
        if keep is None and run_id is None:
            continue
        before = now - seconds_of(keep, "--older-than") * 1_000_000 if keep else None
        parts.append((table, before, run_id, _count_bodies(session, table, before, run_id)))
    return parts


def _count_bodies(session: Session, table: str, before: int | None, run_id: str | None) -> int:
    """Page ids sort by the time of the page, in every database alike."""
    from headrace.core.tables import StreamKey, page_id

    sql = f"SELECT count(*) FROM {_quote(table)} WHERE response_blob IS NOT NULL"
    params: list[object] = []
    if before is not None:
        sql += " AND page_id < ?"
        params.append(page_id(before, StreamKey("", ""), 0))
    if run_id is not None:
        sql += " AND run_id = ?"
        params.append(run_id)
    return _number(session, sql, params)


def _count_removed(session: Session, table: str) -> int:
    if not session.columns(table):
        names = [
            str(v)
            for b in session.query('SELECT DISTINCT "table" FROM headrace_schemas')
            for v in b.column(0).to_pylist()
        ]
        raise InputError(f"there is no table {table!r}{did_you_mean(table, names)}", hint=f"tables: {', '.join(names)}")
    try:
        return _number(session, f"SELECT count(*) FROM {_quote(table + '_removed')}", ())
    except UsageError:
        raise InputError(
            f"table {table!r} does not track which rows are removed",
            hint="that is for merge and scd2 tables with a key",
        ) from None


def _number(session: Session, sql: str, params: list[object] | tuple[()]) -> int:
    return next(int(batch.column(0)[0].as_py()) for batch in session.query(sql, params) if batch.num_rows)


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
