"""``<table>_seen``: which scope last saw a key, on which page, and with which hash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from headrace.core.tables import PAGE, RECORD
from headrace.core.types import ColumnType
from headrace.destinations._connection import STAGE, Connection, Load
from headrace.destinations._layout import HASH, Layout, seen_column
from headrace.destinations._sql import quote
from headrace.destinations._tables import seen_parts


def hash_column(layout: Layout, rows: pa.Table) -> str | None:
    """The column of ``rows`` that holds each row's hash."""
    return next((name for name in (HASH, layout.spec.hash_column) if name and name in rows.column_names), None)


def seen_rows(layout: Layout, rows: pa.Table, types: Mapping[str, ColumnType], run_id: str, scope: str) -> Load:
    """What notes that this scope has ``rows``, of which nothing is known before."""
    columns: dict[str, Any] = {"scope": pa.repeat(scope, rows.num_rows), "run_id": pa.repeat(run_id, rows.num_rows)}
    columns |= {seen_column(name): rows.column(name) for name in layout.spec.key}
    columns |= {PAGE: rows.column(PAGE), RECORD: rows.column(RECORD), "missed": pa.repeat(0, rows.num_rows)}
    if hashed := hash_column(layout, rows):
        columns["row_hash"] = rows.column(hashed)
    return layout.seen, pa.table(columns), {seen_column(name): types[name] for name in layout.spec.key}


def known_rows(db: Connection, layout: Layout, target: str) -> int:
    """Collect what is known of the staged keys in ``headrace_old``; how many rows that is.

    ``target`` is the table that rows go into: the table itself or its staging table.
    """
    spec = layout.spec
    batch_keys = layout.keys("b")
    of_seen = {"keys_as": layout.keys_as("s", seen=True), "keys": layout.seen_keys, "seen": quote(layout.seen),
               "match": layout.seen_equal("b", "s"), "batch_keys": batch_keys}  # fmt: skip
    db.do("drop_old")
    if layout.has_seen and spec.write != "sync":
        made = db.do("create_old", **of_seen)
    elif layout.has_seen:
        made = db.do("create_old_of_run", staged=layout.keys("t"), table=quote(target), **of_seen)
    else:
        stored = f"s.{quote(spec.hash_column)}" if spec.hash_column else "CAST(NULL AS " + db.sql_type("string") + ")"
        made = db.do("create_old_of_table", keys_as=layout.keys_as("s"), keys=layout.keys("s"), hash=stored,
                     table=quote(target), match=layout.equal("b", "s"), batch_keys=batch_keys)  # fmt: skip
    known = int((made or db.do("count_old"))[0][0])  # some databases tell at once
    if known:
        db.do("index_old", keys=", ".join(f"k{i}" for i, _ in enumerate(spec.key)))
    return known


def renew_seen(db: Connection, layout: Layout, row_hash: str, run_id: str, scope: str, *, known: bool) -> None:
    """Note that this scope has the staged keys; ``headrace_old`` is what was known of them before."""
    parts = {**seen_parts(layout), "keys": layout.seen_keys, "batch_keys": layout.keys("b")}
    by: tuple[Any, ...] = (_sighting(db, scope, run_id),) if db.seen_is_view else (scope, run_id)
    if not known:
        db.do("seen_insert_all", by, hash=row_hash, **parts)
        return
    db.do("seen_delete", (scope, scope), match_old=layout.old("b"), **parts)
    db.do("seen_insert", (*by, scope), hash=row_hash, match_old=layout.old("b"), **parts)
    if db.do("count_newer", (scope,), match_old=layout.old("b"))[0][0]:  # else the insert has renewed them all
        db.do("seen_touch", (run_id, scope, run_id), **parts)
        _move(db, layout, (), f"EXISTS (SELECT 1 FROM {STAGE} b WHERE {layout.seen_equal('b', 's')})")


def _sighting(db: Connection, scope: str, run_id: str) -> int:
    """No sighting is ever changed or deleted, so that its number does for the connection's life."""
    found = db.sightings.get((scope, run_id))
    if found is None:
        db.do("new_sighting", (scope, run_id))
        found = db.sightings[scope, run_id] = int(db.do("sighting", (scope, run_id))[0][0])
    return found


def count_missed(db: Connection, layout: Layout, scope: str, run_id: str, began: int) -> None:
    """One more complete run, ``run_id``, without the rows of ``scope`` that it did not renew."""
    db.do("miss", (run_id, scope, run_id, began, run_id), **seen_parts(layout))
    _move(db, layout, (began,), f"s.{PAGE} < ?")


def mark_missing(db: Connection, layout: Layout, scope: str, run_id: str, began: int, after: int, at: Any) -> None:
    """The rows of ``scope`` that ``after`` complete runs missed are removed, since the time ``at`` (a value to bind)."""
    db.do("mark_removed", (at, run_id, scope, run_id, began, after), **seen_parts(layout))
    _move(db, layout, (began,), f"s.{PAGE} < ?")


def _move(db: Connection, layout: Layout, params: Sequence[Any], condition: str) -> None:
    """Where ``<table>_seen`` is a view: give the rows that meet ``condition`` the sightings that the statement before
    has laid down in ``headrace_moves``."""
    if db.seen_is_view:
        db.do("add_sightings")
        db.do("move_sightings", params, condition=condition, **seen_parts(layout))
        db.do("drop_moves")
