"""A scratch database in which a rebuild can be tried: nothing of it reaches the one that is asked about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from headrace.destinations import from_url
from headrace.destinations._connection import Row

if TYPE_CHECKING:
    from headrace.core.contracts import Session
    from headrace.destinations._session import SqlSession

_FILES = ("duckdb", "sqlite")
"""Dialects whose databases are files. What another one would hold is tried in DuckDB: the contract is the same."""
_REMOVALS = ("table", "scope", "run_id", "missing", "known", "status", "found_at", "removed_after")


@contextmanager
def rehearse(session: SqlSession, tables: Sequence[str]) -> Iterator[Session]:
    """An empty database on the local disk, with the runs of ``session`` and what was decided about the removals of
    ``tables``; it goes with the block."""
    kind = session.db.dialect if session.db.dialect in _FILES else "duckdb"
    with (
        TemporaryDirectory(prefix="headrace-rehearsal-") as folder,
        from_url(f"{kind}:///{folder}/x.db").open() as other,
    ):
        other.prepare((), ())
        for run in reversed(session.runs(limit=1_000_000)):
            other.save_run(run)
        _copy_removals(session, other, tables)  # type: ignore[arg-type]  # both kinds of file are SqlSessions
        yield other


def _copy_removals(session: SqlSession, other: SqlSession, tables: Sequence[str]) -> None:
    rows: list[Row] = []
    for table in tables:
        for each in session.removals(table=table):
            at = other.db.time(each.found_at)
            rows.append((each.table, each.scope, each.run_id, each.missing, each.known, each.status, at, 1))
    with other.transaction("copying removals"):
        other.db.insert("headrace_removals", _REMOVALS, rows)
