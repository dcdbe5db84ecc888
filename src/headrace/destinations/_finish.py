"""The end of a step: staged tables take their place, and absence is counted, guarded and marked."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from headrace.core.tables import PAGE, RECORD, Finish, Removals, first_page_id
from headrace.core.types import ColumnType
from headrace.destinations._connection import Connection, Row
from headrace.destinations._layout import Layout
from headrace.destinations._seen import count_missed, mark_missing
from headrace.destinations._sql import quote
from headrace.destinations._staging import Staging
from headrace.destinations._tables import Tables

_NO_PAGE = (1 << 63) - 1
"""Greater than any page's id."""


class Finisher:
    """Applies one :class:`Finish` inside the commit's transaction."""

    def __init__(self, db: Connection, tables: Tables, run_id: str, resumable: Callable[[str], bool]) -> None:
        self.db, self.run_id, self.resumable = db, run_id, resumable
        self.staging = Staging(db, tables)

    def finish(
        self, finish: Finish, layout: Callable[[str], Layout], have: Mapping[str, Mapping[str, ColumnType]]
    ) -> list[Removals]:
        found = []
        self.db.will_change()
        for name in finish.tables:
            table = layout(name)
            write = table.spec.write
            if write == "replace":
                self._exchange(table, have[table.name], complete=finish.complete)
            elif finish.complete and write == "sync":
                self._sync(table, have[table.name])
            elif finish.complete and table.has_views:
                found += self._absences(table, finish)
        return found

    def _exchange(self, layout: Layout, have: Mapping[str, ColumnType], *, complete: bool) -> None:
        db = self.db
        staging = layout.replace_staging(self.run_id)
        if complete:
            self.staging.replace(layout, self.run_id, have)
            columns = [*have, *((PAGE, RECORD) if layout.spec.provenance else ())]
            db.do("empty_table", table=quote(layout.name))
            db.do("copy_table", table=quote(layout.name), columns=", ".join(quote(c) for c in columns),
                  source=quote(staging))  # fmt: skip
        db.do("drop_table", table=quote(staging))
        self.staging.forget(staging, self.run_id)
        if complete:
            self.staging.sweep(layout, self.resumable)

    def _sync(self, layout: Layout, have: Mapping[str, ColumnType]) -> None:
        db, spec = self.db, layout.spec
        staging = self.staging.sync(layout, self.run_id, have)
        self.staging.forget(staging, self.run_id)
        staged = [name for name in db.physical(staging) if name in have or name in (PAGE, RECORD)]
        values = [name for name in staged if name not in spec.key]

        def differs(column: str) -> str:
            left, right = (db.comparable(f"{a}.{quote(column)}", have.get(column, "bigint")) for a in ("t", "s"))
            return db.differ(left, right)

        if spec.hash_column:
            changed = differs(spec.hash_column)
        else:
            compared = [c for c in values if c not in spec.hash_without and c not in (PAGE, RECORD)]
            changed = " OR ".join(map(differs, compared)) or "1 = 0"
        match = layout.equal("t", "s")
        sets = {column: f"s.{quote(column)}" for column in values}
        params: list[object] = []
        flags: dict[str, list[tuple[str, object]]] = {}
        for column, updates in sorted(spec.on_change.items(), key=lambda item: item[0] == ""):
            for name, value in updates.items():
                flags.setdefault(name, []).append((differs(column) if column else "1 = 1", value))
        for name, cases in flags.items():
            type = db.sql_type(have[name])
            whens = " ".join(f"WHEN {condition} THEN CAST(? AS {type})" for condition, _ in cases)
            sets[name] = f"CASE {whens} ELSE t.{quote(name)} END"
            params += [value for _, value in cases]
        if sets:
            db.do("sync_update", params, table=quote(layout.name), staging=quote(staging), match=match,
                  sets=", ".join(f"{quote(c)} = {e}" for c, e in sets.items()), changed=f"({changed})")  # fmt: skip
        more = {c: v for c, v in spec.on_insert.items() if c in have}
        db.do("sync_insert", list(more.values()), table=quote(layout.name), staging=quote(staging), match=match,
              columns=", ".join(quote(c) for c in staged), staged=", ".join(f"s.{quote(c)}" for c in staged),
              more="".join(f", {quote(c)}" for c in more),
              values="".join(f", CAST(? AS {db.sql_type(have[c])})" for c in more))  # fmt: skip

    def _absences(self, layout: Layout, finish: Finish) -> list[Removals]:
        db, spec, seen = self.db, layout.spec, quote(layout.seen)
        began = first_page_of(db, self.run_id)
        count_missed(db, layout, finish.scope, self.run_id, began)
        done = db.do("removals_of_run", (spec.name, finish.scope, self.run_id))
        if done:  # this end was committed before; a rebuild does again what was decided then
            if layout.name != spec.name and done[0][5] in ("applied", "confirmed"):
                mark_removed(db, layout, finish.scope, self.run_id, spec.removed_after, db.micros(done[0][6]) or 0)
            return [removals_of(db, done[0])]
        after = spec.removed_after
        known, missing = map(int, db.do("count_missing", (self.run_id, began, after, finish.scope), seen=seen)[0])
        if not missing:
            return []
        # A record that came and could not be stored leaves no trace of its key: what is missing may be that one.
        rejected = int(db.do("count_rejected", (self.run_id,), rejected=quote(layout.rejected))[0][0])
        held = rejected > 0 or missing > spec.removed_share * known
        if not held:
            mark_removed(db, layout, finish.scope, self.run_id, after, finish.at)
        found = Removals(layout.spec.name, finish.scope, self.run_id, missing, known, "held" if held else "applied",
                         finish.at)  # fmt: skip
        db.insert("headrace_removals",
                  ("table", "scope", "run_id", "missing", "known", "status", "found_at", "removed_after"),
                  [(found.table, found.scope, found.run_id, missing, known, found.status, db.time(finish.at), after)])  # fmt: skip
        return [found]


def removals_of(db: Connection, row: Row) -> Removals:
    """A row of ``headrace_removals``."""
    table, scope, run_id, missing, known, status, found_at = row
    return Removals(table, scope, run_id, missing, known, status, db.micros(found_at) or 0)


def first_page_of(db: Connection, run_id: str) -> int:
    """The least id that a page of this run can have. What another run saw later than that, while this one was under
    way, is none that this one missed: it may have come behind the place that was being read."""
    found = db.do("run_started", (run_id,))
    return first_page_id(db.micros(found[0][0]) or 0) if found else _NO_PAGE


def mark_removed(db: Connection, layout: Layout, scope: str, run_id: str, after: int, at: int) -> None:
    """Mark what the run ``run_id`` did not see; scd2: close what no scope has any more."""
    when = db.time(at)
    began = first_page_of(db, run_id)
    mark_missing(db, layout, scope, run_id, began, after, when)
    if layout.spec.write == "scd2":
        keys = ", ".join(quote(k) for k in layout.spec.key)
        db.do("close_absent", (when, when), table=quote(layout.name), keys=keys, seen=quote(layout.seen),
              seen_keys=layout.seen_keys)  # fmt: skip
