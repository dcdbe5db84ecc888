"""A SELECT becomes a table: everything inside the commit's transaction."""

from __future__ import annotations

from collections.abc import Mapping

from headrace.core.errors import DestinationError
from headrace.core.tables import PAGE, RECORD, Transform
from headrace.core.types import ColumnType, widen
from headrace.destinations._connection import Connection
from headrace.destinations._sql import names, quote
from headrace.destinations._tables import Tables

RESULT = "headrace_result"
"""The temporary table of the result: it may read the table that it goes into, and its columns are known only then."""

_Columns = Mapping[str, tuple[str, ColumnType]]
"""The SQL type of each column, and what it holds."""
_NUMBERS = ("int", "bigint", "decimal", "float")


class Transformer:
    """Applies one :class:`~headrace.core.tables.Transform`."""

    def __init__(self, db: Connection, tables: Tables, run_id: str, place: str) -> None:
        self.db, self.tables, self.run_id, self.place = db, tables, run_id, place

    def apply(self, transform: Transform) -> int:
        """Write it; how many rows the result has (0 for a view)."""
        db, table = self.db, transform.table
        db.lock_schema()
        view, exists = bool(db.do("relation_kind", (table,))), bool(db.physical(table))
        self._check_owner(transform, exists, view)
        if transform.write == "view":
            return self._view(transform, exists, view)
        if view:
            db.do("drop_view", view=quote(table))
            exists = False
        db.do("drop_result")
        db.do("create_result", select=transform.select)
        found = db.result_types(RESULT, transform.types)
        types = {name: type for name, type in found.items() if name not in (PAGE, RECORD)}
        count = int(db.do("count_result")[0][0])
        if exists:
            db.will_change()
        if transform.write == "overwrite":
            self._overwrite(table, exists, types)
        else:
            if transform.write == "merge":
                self._check_key(transform, types)
            self._extend(transform, exists, types)
            if transform.write == "merge" and exists:
                db.do("delete_merged", table=quote(table), keys=names(transform.key))
        if types:
            db.do("insert_result", table=quote(table), columns=names(tuple(types)))
        db.do("drop_result")
        return count

    def _check_owner(self, transform: Transform, exists: bool, view: bool) -> None:
        """What a step did not make, no step takes the place of."""
        table = transform.table
        if exists and not self.tables.types([table])[table] and (view or transform.write in ("overwrite", "view")):
            raise DestinationError(
                f"there is {'a view' if view else 'a table'} {table} that Headrace did not make", place=self.place,
                hint="give the step another destination_table, or rename what is there",
            )  # fmt: skip
        if self.db.do("spec_read", (table,)):
            raise DestinationError(
                f"the table {table} is filled from an API", place=self.place,
                hint="give the step another destination_table",
            )  # fmt: skip

    def _overwrite(self, table: str, exists: bool, types: _Columns) -> None:
        db = self.db
        if not exists:
            self._create(table, types)
        elif list(db.physical(table).items()) == [(name, type) for name, (type, _) in types.items()]:
            db.lock_table(table)
            db.do("empty_table", table=quote(table))
            self._remember(table, types)
        else:
            with db.views_aside(table):
                db.do("drop_table", table=quote(table))
                self._create(table, types)

    def _extend(self, transform: Transform, exists: bool, types: _Columns) -> None:
        """Make room for the rows: new columns, and wider ones where that changes no value."""
        db, table = self.db, transform.table
        if not exists:
            self._create(table, types)
            return
        db.lock_table(table)
        physical, known = db.physical(table), self.tables.types([table])[table]
        have = {name: known.get(name) or db.read_type(type) for name, type in physical.items()}
        stored = {name.casefold(): name for name in have}
        changed: dict[str, ColumnType] = {}
        new: dict[str, tuple[str, ColumnType]] = {}
        for name, (type, kind) in types.items():
            own = stored.get(name.casefold())
            if own is None:
                new[name] = type, kind
            elif (wider := _wider(transform, name, have[own], kind)) != have[own]:
                changed[own] = wider
        with db.views_aside(table):
            for name, wider in changed.items():
                db.alter_type(table, name, have[name], wider)
            for name, (type, _) in new.items():
                db.do("add_column", table=quote(table), column=quote(name), type=type)
        if new or changed or not known:
            kinds = {name: kind for name, (_, kind) in new.items()}
            self.tables.redefine(table, {**have, **changed, **kinds}, self.run_id)

    def _create(self, table: str, types: _Columns) -> None:
        lines = ", ".join(f"{quote(name)} {type}" for name, (type, _) in types.items())
        self.db.do("create_table", table=quote(table), columns=lines, unique="")
        self._remember(table, types)

    def _remember(self, table: str, types: _Columns) -> None:
        self.tables.redefine(table, {name: kind for name, (_, kind) in types.items()}, self.run_id)

    def _check_key(self, transform: Transform, types: _Columns) -> None:
        missing = [key for key in transform.key if key not in types]
        if missing:
            raise DestinationError(
                f"the result has no column {missing[0]!r}, which is in the key of {transform.table}",
                place=f"step {transform.step}", hint=f"its columns: {', '.join(types)}",
            )  # fmt: skip
        absent = " OR ".join(f"r.{quote(key)} IS NULL" for key in transform.key)
        found = self.db.do("doubled_result", keys=names(transform.key), absent=absent)
        if found:
            shown = "; ".join(", ".join(map(str, row)) for row in found)
            raise DestinationError(
                f"rows of the result have no key, or one that another row has too ({', '.join(transform.key)}: {shown})",
                place=f"step {transform.step}", hint="which of them would stay is chance: GROUP BY the key, or choose one",
            )  # fmt: skip

    def _view(self, transform: Transform, exists: bool, view: bool) -> int:
        db, table = self.db, transform.table
        if exists and not view:
            raise DestinationError(
                f"there is a table {table}: a view cannot take its place", place=self.place,
                hint="give the view another name, or drop the table",
            )  # fmt: skip
        with db.views_aside(table):
            db.do("drop_view", view=quote(table))
            db.do("create_result_view", view=quote(table), select=transform.select)
        types = {name: (type, db.read_type(type)) for name, type in db.physical(table).items()}
        self._remember(table, {name: (type, transform.types.get(name, kind)) for name, (type, kind) in types.items()})
        return 0


def _wider(transform: Transform, column: str, have: ColumnType, new: ColumnType) -> ColumnType:
    """What a column becomes that takes values of another type. Raises DestinationError where it is not certain that
    every value stays what it is."""
    found = widen(have, new)
    numbers = have in _NUMBERS and new in _NUMBERS and found != "string"
    if found not in (have, new) or not (have == new or "untyped" in (have, new) or numbers):
        raise DestinationError(
            f"column {column!r} of {transform.table} is {have}, and that of the result is {new}",
            place=f"step {transform.step}", hint="cast it in the SELECT to what the table has, or write: overwrite",
        )  # fmt: skip
    return found
