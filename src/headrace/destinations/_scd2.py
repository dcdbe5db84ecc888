"""scd2: every version of a row, from when until when."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from headrace.core.tables import PAGE, RECORD, page_time
from headrace.core.types import ColumnType
from headrace.destinations._connection import Connection
from headrace.destinations._layout import HASH, Layout
from headrace.destinations._rows import ARROW, as_text, keys_of, last_of_each, types_of, versions
from headrace.destinations._seen import known_rows, renew_seen
from headrace.destinations._sql import quote

ROW = "_row"
"""A row's number in the batch, while it is staged."""


@dataclass(slots=True)
class Interval:
    """A version and the time it was true; ``row`` is its place in the batch, ``stored`` the moment that
    identifies the row that the table has of it."""

    start: int
    end: int | None
    hash: str
    row: int = -1
    stored: int | None = None


def observe(history: list[Interval], at: int, digest: str, row: int, last: tuple[int, str] | None) -> None:
    """Put "at this time the row was so" into a history sorted by time.

    ``last`` is the latest observation before this one: a late row between two sightings of the same
    version must not make that version end early.
    """
    place = max((i for i, version in enumerate(history) if version.start <= at), default=-1)
    after = history[place + 1] if place + 1 < len(history) else None
    current = history[place] if place >= 0 else None
    if current is None or (current.end is not None and at >= current.end):
        if after is not None and after.hash == digest:
            after.start = at
        else:
            history.insert(place + 1, Interval(at, after.start if after else None, digest, row))
        return
    if current.hash == digest:
        return
    end = current.end
    current.end = at
    seen_again = last is not None and last[1] == current.hash and last[0] > at and (end is None or last[0] < end)
    if seen_again and last is not None:
        again = Interval(last[0], end, current.hash, current.row, current.stored)
        history[place + 1 : place + 1] = [Interval(at, last[0], digest, row), again]
    elif after is not None and end == after.start and after.hash == digest:
        after.start = at
    else:
        history.insert(place + 1, Interval(at, end, digest, row))


def write_history(
    db: Connection, layout: Layout, rows: pa.Table, types: Mapping[str, ColumnType], run_id: str, scope: str
) -> int:
    """Fold the rows into the history one after the other, in the order they came, so that it does not
    matter how they were grouped. Gives the number of new versions."""
    if HASH not in rows.column_names:
        rows = rows.append_column(pa.field(HASH, pa.string()), pa.array(_hashes(layout, rows, types), pa.string()))
    types = {**types, HASH: "string", PAGE: "bigint", RECORD: "bigint"}
    key = layout.spec.key
    newest = last_of_each(rows, key, keep=False)
    place = keys_of(newest, key)
    # One record may give many rows: only their number in the batch tells them apart.
    numbered = newest.append_column(ROW, pa.array(range(newest.num_rows), pa.int64()))
    db.stage(numbered, {**types, ROW: "bigint"})
    histories: dict[Any, list[Interval]] = {value: [] for value in place}
    match = layout.equal("t", "b")
    for row, start, end, digest in db.do("history_read", table=quote(layout.name), match=match):
        begin = db.micros(start) or 0
        histories[place[row]].append(Interval(begin, db.micros(end), digest or "", stored=begin))
    last: dict[Any, tuple[int, str]] = {}
    if layout.has_seen:
        known = known_rows(db, layout, layout.name)
        if known:
            db.will_change()
        for row, version, digest in db.do("history_last", match_old=layout.old("b")):
            last[place[row]] = page_time(version), digest or ""
        renew_seen(db, layout, f"b.{quote(HASH)}", run_id, scope, known=bool(known))
    db.unstage()
    before = {value: {v.stored: (v.start, v.end) for v in history} for value, history in histories.items()}
    seen: dict[Any, int] = {}
    moments = [page_time(page) for page, _ in versions(rows)]
    digests: list[Any] = rows.column(HASH).to_pylist()
    for index, value in enumerate(keys_of(rows, key)):
        seen.setdefault(value, index)
        at, digest = moments[index], digests[index]
        observe(histories[value], at, digest, index, last.get(value))
        if value not in last or at >= last[value][0]:
            last[value] = at, digest
    return _store(db, layout, rows, types, histories, before, seen)


def _store(
    db: Connection, layout: Layout, rows: pa.Table, types: Mapping[str, ColumnType],
    histories: Mapping[Any, list[Interval]], before: Mapping[Any, Mapping[int | None, Any]], first: Mapping[Any, int],
) -> int:  # fmt: skip
    """Write the difference between the histories and what the table has."""
    hidden = set() if layout.spec.provenance else {PAGE, RECORD}
    names = [n for n in rows.column_names if n not in hidden]
    fresh: list[Interval] = []
    copies: list[tuple[int, Interval]] = []
    changed: list[tuple[int, Interval]] = []
    for value, history in histories.items():
        met: set[int] = set()
        for version in history:
            if version.stored is None:
                fresh.append(version)
            elif version.stored in met:
                copies.append((first[value], version))
            else:
                met.add(version.stored)
                if before[value][version.stored] != (version.start, version.end):
                    changed.append((first[value], version))
    columns = ", ".join(quote(n) for n in names)
    match = layout.equal("t", "b")
    if copies:
        _stage_moves(db, layout, rows, types, copies)
        db.do("history_copy", table=quote(layout.name), columns=columns, match=match,
              source=", ".join(f"t.{quote(n)}" for n in names))  # fmt: skip
        db.unstage()
    if changed:
        _stage_moves(db, layout, rows, types, changed)
        db.do("history_update", table=quote(layout.name), match=match)
        db.unstage()
    if fresh:
        new = rows.take(pa.array([v.row for v in fresh], pa.int64())).select(names)
        moments = ARROW["timestamp"]
        new = new.append_column(pa.field("valid_from", moments), pa.array([v.start for v in fresh], moments))
        new = new.append_column(pa.field("valid_to", moments), pa.array([v.end for v in fresh], moments))
        db.stage(new, {**types, "valid_from": "timestamp", "valid_to": "timestamp"})
        db.do("insert_all", table=quote(layout.name), columns=f"{columns}, valid_from, valid_to")
        db.unstage()
    return len(fresh)


def _stage_moves(
    db: Connection, layout: Layout, rows: pa.Table, types: Mapping[str, ColumnType],
    moves: Sequence[tuple[int, Interval]],
) -> None:  # fmt: skip
    keys = rows.select(list(layout.spec.key)).take(pa.array([index for index, _ in moves], pa.int64()))
    columns: dict[str, tuple[list[Any], ColumnType]] = {
        "_old_from": ([v.stored for _, v in moves], "timestamp"),
        "_old_hash": ([v.hash for _, v in moves], "string"),
        "_new_from": ([v.start for _, v in moves], "timestamp"),
        "_new_to": ([v.end for _, v in moves], "timestamp"),
    }
    for name, (values, type) in columns.items():
        keys = keys.append_column(pa.field(name, ARROW[type]), pa.array(values, ARROW[type]))
    db.stage(keys, {**types, **{name: type for name, (_, type) in columns.items()}})


def _hashes(layout: Layout, rows: pa.Table, types: Mapping[str, ColumnType]) -> list[str]:
    """Row hashes for batches that come without: of what is said, not of the type it is kept in."""
    if layout.spec.hash_column:
        return [str(value) for value in rows.column(layout.spec.hash_column).to_pylist()]
    left_out = {PAGE, RECORD, *layout.spec.hash_without}
    names = sorted(n for n in rows.column_names if n not in left_out)
    known = types_of(rows, types)
    columns = [as_text(rows.column(n), known[n]).to_pylist() for n in names]
    lines = zip(*columns, strict=True) if columns else [()] * rows.num_rows
    said = ([pair for pair in zip(names, line, strict=True) if pair[1] is not None] for line in lines)
    return [hashlib.md5(repr(pairs).encode(), usedforsecurity=False).hexdigest() for pairs in said]
