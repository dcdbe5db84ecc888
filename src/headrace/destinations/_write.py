"""What each disposition does with a group's rows of one table, inside the commit's transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from headrace.core.tables import PAGE, RECORD
from headrace.core.types import ColumnType
from headrace.destinations._connection import Connection
from headrace.destinations._layout import HASH, Layout, seen_column
from headrace.destinations._rows import conform, first_of_each, in_order, last_of_each
from headrace.destinations._scd2 import write_history
from headrace.destinations._seen import hash_column, known_rows, renew_seen, seen_rows
from headrace.destinations._sql import quote
from headrace.destinations._staging import Staging
from headrace.destinations._tables import Tables

Types = Mapping[str, ColumnType]


class Writer:
    """Writes the rows of one run's commit."""

    def __init__(self, db: Connection, tables: Tables, run_id: str, scope: str) -> None:
        self.db, self.run_id, self.scope = db, run_id, scope
        self.staging = Staging(db, tables)

    def write(self, layout: Layout, rows: pa.Table, types: Types, have: Types) -> int:
        """How many rows were new or changed; ``have`` are the table's types by now."""
        spec = layout.spec
        wanted = {name: have.get(name, types[name]) for name in types}
        rows = conform(rows, types, wanted)
        self.db.will_write(layout.name, rows)
        if spec.write == "scd2":
            return write_history(self.db, layout, rows, wanted, self.run_id, self.scope)
        if spec.write == "append":
            return self._append(layout, rows, wanted)
        target = self.staging.target(layout, self.run_id, have)
        return self._merge(layout, target, rows, wanted)

    def _columns(self, layout: Layout, rows: pa.Table, target: str) -> list[str]:
        """The batch's columns that the target has."""
        hidden = set(layout.spec.hidden) | {HASH}
        in_table = layout.spec.provenance or (target != layout.name and layout.spec.write == "replace")
        if not in_table:
            hidden |= {PAGE, RECORD}
        return [name for name in rows.column_names if name not in hidden]

    def _append(self, layout: Layout, rows: pa.Table, types: Types) -> int:
        db, spec = self.db, layout.spec
        if spec.key:
            rows = first_of_each(rows, spec.key)
        names = self._columns(layout, rows, layout.name)
        columns = ", ".join(quote(c) for c in names)
        written = rows.num_rows
        if db.loads and not spec.key and db.load(layout.name, rows.select(names), types):
            return int(written)
        db.stage(rows, types)
        if not spec.key:
            db.will_append()
            db.do("insert_all", table=quote(layout.name), columns=columns)
        else:
            known_rows(db, layout, layout.name)
            db.do("drop_pick")
            db.do("create_pick_absent", batch_keys_as=layout.keys_as("b"), match_old=layout.old("b"))
            written = int(db.do("count_pick")[0][0])
            db.do("insert_picked", table=quote(layout.name), columns=columns, batch_keys=layout.keys("b"),
                  pick_keys=layout.pick_keys)  # fmt: skip
            if layout.has_seen:
                self._renew(layout, rows)
        db.unstage()
        return written

    def _merge(self, layout: Layout, target: str, rows: pa.Table, types: Types) -> int:
        """Into ``target``: the table, or the staging table that stands for it."""
        db, spec = self.db, layout.spec
        keep = spec.missing == "keep" and spec.write == "merge"
        if spec.key:
            rows = last_of_each(rows, spec.key, keep=keep)
        names = self._columns(layout, rows, target)
        columns = ", ".join(quote(c) for c in names)
        if not spec.key:
            if not (db.loads and db.load(target, rows.select(names), types)):
                db.stage(rows, types)
                db.will_append()
                db.do("insert_all", table=quote(target), columns=columns)
                db.unstage()
            return int(rows.num_rows)
        known: int | None = None
        if db.loads and target not in db.renewed:
            known = self._known_before(layout, target, rows, types)
            if not known and self._load(layout, target, rows, names, types):
                return int(rows.num_rows)
        db.stage(in_order(rows, spec.key) if db.loads else rows, types)
        written = rows.num_rows
        if known is None:
            known = 0 if self._beyond(layout, target, rows) else known_rows(db, layout, target)
        db.renewed.add(target) if known else db.renewed.discard(target)
        if not known:
            db.will_append()
            db.do("merge_insert_all", table=quote(target), columns=columns,
                  keys=", ".join(quote(k) for k in spec.key), conflict=_conflict(names, spec.key, keep=False))  # fmt: skip
        else:
            db.will_change()
            hashed = self._hash(layout, rows) if spec.write == "merge" else "NULL"
            changed = f"(o.row_hash IS NULL OR o.row_hash <> {hashed})" if hashed != "NULL" else "(1 = 1)"
            db.do("drop_pick")
            db.do("create_pick", batch_keys_as=layout.keys_as("b"), match_old=layout.old("b"), changed=changed)
            written = int(db.do("count_pick")[0][0])
            values = [c for c in names if c not in spec.key]
            if keep:
                self._fill(layout, target, values)
            self._replace_picked(layout, target, rows, names, keep=keep)
        if layout.has_seen:
            self._renew(layout, rows, known=known)
        db.unstage()
        return written

    def _beyond(self, layout: Layout, target: str, rows: pa.Table) -> bool:
        """The keys are greater than all that are known, as with identifiers that an API counts up and lists in their
        order: then nobody need look for them."""
        db, spec = self.db, layout.spec
        keys: Any = rows.column(spec.key[0])
        if not db.sole or spec.write != "merge" or not pa.types.is_integer(keys.type):
            return False
        before = db.left.highest.get(target)
        if before is None:
            table, key = (layout.sighted, seen_column(spec.key[0])) if layout.has_seen else (target, spec.key[0])
            highest = db.do("highest_key", table=quote(table), key=quote(key))[0][0]
            before = -(1 << 63) if highest is None else int(highest)
        found: Any = pc.min_max(keys).as_py()
        db.left.highest[target] = max(before, found["max"])
        return bool(found["min"] > before)

    def _known_before(self, layout: Layout, target: str, rows: pa.Table, types: Types) -> int | None:
        """How many of the keys are known; ``None``, and nobody was asked, while all of them have been new: then the
        tables' unique keys say when one is not."""
        if (target, self.run_id) in self.db.fresh:
            return None
        self.db.stage(rows.select(list(layout.spec.key)), types)
        known = known_rows(self.db, layout, target)
        self.db.unstage()
        return known

    def _load(self, layout: Layout, target: str, rows: pa.Table, names: list[str], types: Types) -> bool:
        """Put rows that are new straight into ``target``; false, with nothing done, where one of them stands."""
        fresh, this = self.db.fresh, (target, self.run_id)
        by = self.db.safe_text(self.run_id), self.db.safe_text(self.scope)
        seen = [seen_rows(layout, rows, types, *by)] if layout.has_seen else []
        loaded = self.db.load(target, rows.select(names), types, *seen)
        fresh.add(this) if loaded else fresh.discard(this)
        return loaded

    def _replace_picked(self, layout: Layout, target: str, rows: pa.Table, names: list[str], *, keep: bool) -> None:
        db = self.db
        match, key = layout.equal("t", "b"), layout.spec.key
        if keep:
            merged = [c for c in names if c not in key and c not in (PAGE, RECORD)]
            kept = [f"b.{quote(c)}" for c in rows.column_names if c not in merged]
            kept += [f"coalesce(b.{quote(c)}, t.{quote(c)}) AS {quote(c)}" for c in merged]
            db.restage(db.text("kept_rows", kept=", ".join(kept), table=quote(target), match_table=match))
        keys = ", ".join(quote(k) for k in key)
        conflict = _conflict(names, key, keep=keep)
        db.do("merge_delete", table=quote(target), keys=keys, pick_keys=layout.pick_keys)
        db.do("merge_insert", table=quote(target), columns=", ".join(quote(c) for c in names), keys=keys,
              batch_keys=layout.keys("b"), pick_keys=layout.pick_keys, conflict=conflict)  # fmt: skip

    def _fill(self, layout: Layout, target: str, values: list[str]) -> None:
        """A late row does not overwrite, but where the stored row has null, it knows better."""
        values = [c for c in values if c not in (PAGE, RECORD)]
        if values:
            sets = ", ".join(f"{quote(c)} = coalesce(t.{quote(c)}, b.{quote(c)})" for c in values)
            self.db.do("fill_nulls", table=quote(target), sets=sets, match_table=layout.equal("t", "b"),
                       batch_keys=layout.keys("b"), pick_keys=layout.pick_keys)  # fmt: skip

    def _hash(self, layout: Layout, rows: pa.Table) -> str:
        """The batch's column that holds the row's hash."""
        name = hash_column(layout, rows)
        return f"b.{quote(name)}" if name else "NULL"

    def _renew(self, layout: Layout, rows: pa.Table, *, known: int = 1) -> None:
        renew_seen(self.db, layout, self._hash(layout, rows), self.run_id, self.scope, known=bool(known))


def _conflict(names: Sequence[str], key: Sequence[str], *, keep: bool) -> str:
    """What an insert does to a row that is there, where the database is asked that way."""
    sets = []
    for column in (quote(name) for name in names if name not in key):
        kept = keep and column not in (quote(PAGE), quote(RECORD))
        sets.append(f"{column} = " + (f"coalesce(excluded.{column}, t.{column})" if kept else f"excluded.{column}"))
    return f"UPDATE SET {', '.join(sets)}" if sets else "NOTHING"
