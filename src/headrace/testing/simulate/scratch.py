"""SQL over the model: what a query reads is put into a scratch database first."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from headrace.testing.simulate.model import Store

_CHECKPOINTS = "(run_id, step, slice, page_number, cursor_next, done, attempt, rows, memo)"
_SLICES = "(run_id, step, name, position, params, status, attempts, error)"
_NAMES = re.compile(r'(?:FROM|JOIN) "?(\w+)"?')


@cache
def _database() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute(f"CREATE TABLE headrace_checkpoints {_CHECKPOINTS}")
    connection.execute(f"CREATE TABLE headrace_slices {_SLICES}")
    return connection


def query(store: Store, sql: str, params: Sequence[Any]) -> Iterator[pa.RecordBatch]:
    """The answer as one batch; none where there is no row."""
    database = _database()
    for name in _NAMES.findall(sql):
        _fill(database, store, name)
    cursor = database.execute(sql, tuple(params))
    names = [column[0] for column in cursor.description]
    rows = [dict(zip(names, row, strict=True)) for row in cursor]
    return iter([pa.RecordBatch.from_pylist(rows)] if rows else [])


def _fill(database: sqlite3.Connection, store: Store, name: str) -> None:
    rows: list[tuple[Any, ...]]
    if name == "headrace_checkpoints":
        rows = [
            (k.run_id, k.step, k.slice, at.page_number, at.cursor_next, at.done, at.attempt, at.rows, at.memo[""])
            for k, at in store.checkpoints.items()
        ]
    elif name == "headrace_slices":
        rows = [
            ("run", step, s.name, s.position, json.dumps(s.params), s.status, s.attempts, s.error)
            for step, frozen in store.slices.items()
            for s in frozen.values()
        ]
    elif name.endswith("_rejected"):  # the model rejects no record
        database.execute(f"CREATE TABLE IF NOT EXISTS {name} (run_id)")
        return
    else:
        database.execute(f"CREATE TABLE IF NOT EXISTS {name} (id, name, v)")
        rows = [row[2:] for row in store.rows.get(name, ())]
    database.execute(f"DELETE FROM {name}")
    if rows:
        database.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(rows[0]))})", rows)
