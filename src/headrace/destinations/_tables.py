"""Making tables, changing their columns, and remembering the types that the engine gave them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby

from headrace.core.errors import UsageError
from headrace.core.tables import SchemaChange
from headrace.core.types import ColumnType, widen
from headrace.destinations._connection import Connection
from headrace.destinations._layout import Layout, seen_column
from headrace.destinations._sql import fit, names, quote

ENGINE_TABLES = ("runs", "checkpoints", "slices", "schemas", "removals", "staging", "tables", "leases", "sightings")
_CONSTANTS: dict[type, ColumnType] = {bool: "bool", int: "bigint", float: "float"}


def unstaged_columns(layout: Layout) -> dict[str, ColumnType]:
    """Columns of a sync table that no batch has."""
    spec = layout.spec
    found: dict[str, ColumnType] = dict(spec.extra_columns)
    for values in (spec.on_insert, *spec.on_change.values()):
        for name, value in values.items():
            if name not in spec.columns and name not in found:
                found[name] = _CONSTANTS.get(type(value), "string")
    return found


def _wider(have: Mapping[str, ColumnType], want: Mapping[str, ColumnType]) -> dict[str, ColumnType]:
    """The columns that are missing or too narrow, in the type they get."""
    found = {name: widen(have.get(name, type), type) for name, type in want.items()}
    return {name: type for name, type in found.items() if have.get(name) != type}


def _keyed(layout: Layout, types: Mapping[str, ColumnType]) -> dict[str, ColumnType]:
    """Key columns of JSON as its text: JSON as a type of its own is not compared everywhere."""
    return {n: "string" if t == "json" and n in layout.spec.key else t for n, t in types.items()}


class Tables:
    """The schema side of a connection; every method runs inside the caller's transaction."""

    def __init__(self, db: Connection, now: Callable[[], int]) -> None:
        self.db, self.now = db, now

    def types(self, tables: Sequence[str]) -> dict[str, dict[str, ColumnType]]:
        """Column types by table, in column order: the latest row of ``headrace_schemas`` for each."""
        found: dict[str, dict[str, ColumnType]] = {name: {} for name in tables}
        if tables:
            for table, column, type, _ in self.db.do("schema_read", tables, marks=", ".join("?" * len(tables))):
                found[table][column] = type
        return found

    def create_engine_tables(self) -> None:
        for name in ENGINE_TABLES:
            self.db.do(f"create_{name}")

    def create_raw(self, table: str) -> None:
        self.db.do("create_raw", table=quote(table), stored="")

    def ensure(self, layout: Layout) -> None:
        """Create the table and what stands beside it, or bring it up to its declaration."""
        spec, db = layout.spec, self.db
        declared: dict[str, ColumnType] = {n: t or "untyped" for n, t in spec.columns.items() if n not in spec.hidden}
        declared = _keyed(layout, declared | unstaged_columns(layout))
        physical = db.physical(layout.name)
        if not physical and spec.when_absent != "create":
            if spec.when_absent == "refuse":
                raise UsageError(
                    f"table {spec.name!r} does not exist, and its contract (tables: freeze) lets no run make it",
                    hint="make the table, or run once with contract: {tables: evolve}",
                )
            self._create_rejected(layout)
            return
        if not physical:
            db.do("schema_forget", (layout.name,))
            have = declared
            self._create(layout.name, have | layout.provenance, () if spec.write in ("append", "scd2") else spec.key)
            self._remember(layout.name, have, 1, "", 0, 0)
        else:
            have = self.types([layout.name])[layout.name]
            adopted = {n: db.read_type(t) for n, t in physical.items() if n not in have and n not in layout.provenance}
            self._remember(layout.name, adopted, 1, "", 0, len(have))
            have |= adopted
            if adopted and spec.write == "merge" and db.unique_keys:
                index = fit(f"{layout.name}_headrace_key", db.max_name)
                db.do("create_unique", index=quote(index), table=quote(layout.name), keys=names(spec.key))
            for name, type in layout.provenance.items():
                if name not in physical:
                    self._add(layout.name, name, type)
            have = self.evolve(layout, have, declared, "", 0)
        if spec.write == "sync":
            self.match(layout.sync_staging, {n: have[n] for n in spec.columns}, spec.key)
        if layout.has_seen:
            columns = ", ".join(f"{quote(seen_column(k))} {db.sql_type(have.get(k, 'string'))}" for k in spec.key)
            db.do("create_seen", key_columns=columns, keys=layout.seen_keys, **seen_parts(layout))
        self._create_rejected(layout)
        if layout.has_views and list(db.physical(layout.current)) != self._view_columns(layout, have):
            self.drop_views(layout)
            self.create_views(layout, have)
        elif layout.has_seen and db.seen_is_view and not db.physical(layout.seen):
            self._create_seen_view(layout)

    def _create_rejected(self, layout: Layout) -> None:
        db = self.db
        db.do("create_rejected", table=quote(layout.rejected), text=db.sql_type("string"), int=db.sql_type("bigint"),
              binary=db.sql_type("binary"), time=db.sql_type("timestamp"))  # fmt: skip

    def evolve(
        self, layout: Layout, have: dict[str, ColumnType], want: Mapping[str, ColumnType], run_id: str, page_id: int
    ) -> dict[str, ColumnType]:
        """Add the columns that are missing and widen those that are too narrow; never narrows."""
        hidden = layout.spec.hidden
        wanted = _keyed(layout, {name: type for name, type in want.items() if name not in hidden})
        changes = _wider(have, wanted)
        if not changes:
            return have
        db = self.db
        db.lock_schema()
        have = {**have, **self.types([layout.name])[layout.name]}  # another session may have been first
        changes = _wider(have, wanted)
        ddl = [n for n, t in changes.items() if n not in have or db.sql_type(have[n]) != db.sql_type(t)]
        self._remember(layout.name, changes, self._next_version(layout.name), run_id, page_id, len(have))
        if ddl:
            with db.views_aside(layout.name):
                self.drop_views(layout)
                for name in ddl:
                    self._change(layout, name, have.get(name), changes[name])
                self.create_views(layout, have | changes)
        return have | changes

    def _change(self, layout: Layout, column: str, before: ColumnType | None, after: ColumnType) -> None:
        if before is None:
            self._add(layout.name, column, after)
            return
        self.db.alter_type(layout.name, column, before, after)
        if column in layout.spec.key and layout.has_seen:
            rows = layout.sighted if self.db.seen_is_view else layout.seen
            self.db.alter_type(rows, seen_column(column), before, after)

    def apply(
        self, layout: Layout, have: dict[str, ColumnType], changes: Iterable[SchemaChange], run_id: str
    ) -> dict[str, ColumnType]:
        """What schema changes ask for: those of one page are one version."""
        for page_id, of_page in groupby(changes, lambda change: change.page_id):
            have = self.evolve(layout, have, {change.column: change.after for change in of_page}, run_id, page_id)
        return have

    def redefine(self, table: str, columns: Mapping[str, ColumnType], run_id: str) -> None:
        """Remember the columns of a table that a SQL step has made anew."""
        if list(self.types([table])[table].items()) == list(columns.items()):
            return
        version = self._next_version(table)
        self.db.do("schema_forget", (table,))
        self._remember(table, columns, version, run_id, 0, 0)

    def drop_views(self, layout: Layout) -> None:
        if layout.has_views:
            self.db.do("drop_view", view=quote(layout.current))
            self.db.do("drop_view", view=quote(layout.removed))
        if layout.has_seen and self.db.seen_is_view:
            self.db.do("drop_view", view=quote(layout.seen))

    def _create_seen_view(self, layout: Layout) -> None:
        keys = ", ".join(f"s.{quote(seen_column(k))}" for k in layout.spec.key)
        self.db.do("create_seen_view", keys=keys, **seen_parts(layout))

    def create_views(self, layout: Layout, have: Mapping[str, ColumnType]) -> None:
        if layout.has_seen and self.db.seen_is_view:
            self._create_seen_view(layout)
        if not layout.has_views:
            return
        columns = names(self._view_columns(layout, have), "t")
        current = removed_condition(layout, present=True)
        removed = removed_condition(layout, present=False)
        if layout.spec.write == "scd2":
            current = "t.valid_to IS NULL"
        for view, condition in ((layout.current, current), (layout.removed, removed)):
            self.db.do("create_view", view=quote(view), columns=columns, table=quote(layout.name), condition=condition)

    def _view_columns(self, layout: Layout, have: Mapping[str, ColumnType]) -> list[str]:
        return [*have, *(("valid_from", "valid_to") if layout.spec.write == "scd2" else ())]

    def match(self, table: str, wanted: Mapping[str, ColumnType], key: Sequence[str]) -> None:
        """A staging table with at least these columns in these types."""
        db = self.db
        physical = db.physical(table)
        if not physical:
            self._create(table, wanted, key)
            return
        for name, type in wanted.items():
            if name not in physical:
                self._add(table, name, type)
            elif (before := db.read_type(physical[name])) != db.read_type(db.sql_type(type)):
                db.alter_type(table, name, before, type)

    def _create(self, table: str, columns: Mapping[str, ColumnType], key: Sequence[str]) -> None:
        lines = ", ".join(f"{quote(name)} {self.db.sql_type(type)}" for name, type in columns.items())
        unique = f", UNIQUE ({names(tuple(key))})" if key and self.db.unique_keys else ""
        self.db.do("create_table", table=quote(table), columns=lines, unique=unique)

    def _add(self, table: str, column: str, type: ColumnType) -> None:
        self.db.do("add_column", table=quote(table), column=quote(column), type=self.db.sql_type(type))

    def _next_version(self, table: str) -> int:
        rows = self.db.do("schema_read", (table,), marks="?")
        return max((int(version) for *_, version in rows), default=0) + 1

    def _remember(
        self, table: str, columns: Mapping[str, ColumnType], version: int, run_id: str, page_id: int, position: int
    ) -> None:
        at = self.db.time(self.now())
        rows = [(table, n, t, version, position + i, at, run_id, page_id) for i, (n, t) in enumerate(columns.items())]
        if rows:
            fields = ("table", "column", "type", "version", "position", "changed_at", "run_id", "page_id")
            self.db.insert("headrace_schemas", fields, rows)


def seen_parts(layout: Layout) -> dict[str, str]:
    """What statements call ``<table>_seen``, and where its rows are if it is a view."""
    return {"seen": quote(layout.seen), "sighted": quote(layout.sighted)}


def removed_condition(layout: Layout, *, present: bool) -> str:
    """That some scope still has row ``t``, or that none has."""
    some = f"EXISTS (SELECT 1 FROM {quote(layout.seen)} s WHERE {layout.seen_equal('t', 's')} AND s.removed_at IS NULL)"
    return some if present else f"NOT {some}"
