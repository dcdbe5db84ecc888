"""What one table holds and what it would hold, side by side: rows, columns, types, values, examples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import zip_longest
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

from headrace.core.contracts import Session
from headrace.core.errors import HeadraceError
from headrace.core.tables import PAGE, RECORD, TableSpec
from headrace.core.types import ColumnType
from headrace.destinations._layout import HASH, Layout
from headrace.destinations._sql import quote

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

EXAMPLES = 10
LONGEST = 200
"""Characters of a value that are kept; what is longer is told apart by its hash."""
REMOVED = "(removed)"
"""Stands among the columns for whether a row is in ``<table>_removed``."""
_WHOLE = 2.0**53


@dataclass(frozen=True, slots=True)
class RowDifference:
    """One row that is new, gone or different. ``values`` has the columns that differ, before and after, as text;
    long ones are cut."""

    kind: Literal["added", "removed", "changed"]
    key: Mapping[str, str | None]
    values: Mapping[str, tuple[str | None, str | None]]


@dataclass(frozen=True, slots=True)
class TableDifference:
    """One table as it is, against what a replay would put in its place. Rows are told apart by the table's key
    (scd2: and the start of the version), else by the page and record they are from. Values are compared as text, so
    that a wider type alone changes none."""

    table: str
    rows: tuple[int, int]
    """How many there are, before and after."""
    added: int = 0
    removed: int = 0
    changed: int = 0
    rejected: tuple[int, int] = (0, 0)
    columns_added: Mapping[str, ColumnType] = field(default_factory=dict)
    columns_dropped: Mapping[str, ColumnType] = field(default_factory=dict)
    types: Mapping[str, tuple[ColumnType, ColumnType]] = field(default_factory=dict)
    values: Mapping[str, int] = field(default_factory=dict)
    """By column, how many rows of both sides differ in it; a column that one side lacks counts as null there."""
    examples: Sequence[RowDifference] = ()

    @property
    def differs(self) -> bool:
        return bool(
            self.added or self.removed or self.changed or self.columns_added or self.columns_dropped or self.types
            or self.rejected[0] != self.rejected[1]
        )  # fmt: skip


def compare(spec: TableSpec, before: Session, after: Session, max_name: int | None) -> TableDifference:
    """The table of ``spec`` in two databases. Both are read once, row by row; memory stays bounded, since what is
    compared lies in a file of its own."""
    layout = Layout(spec, spec.name, max_name)
    old, new = _Side(before, layout), _Side(after, Layout(spec, spec.name))
    identity = _identity(spec, old.types, new.types)
    columns = [name for name in {**new.types, **old.types} if name not in identity and name not in (PAGE, RECORD, HASH)]
    flagged = [REMOVED] if layout.has_views and spec.write == "merge" else []
    with _scratch() as scratch:
        for name, side in (("old", old), ("new", new)):
            side.store(scratch, name, identity, columns, flagged=bool(flagged))
        found = _compared(scratch, len(identity), [*columns, *flagged], identity)
    both = [name for name in old.types if name in new.types] if old.types else []
    return TableDifference(
        table=spec.name,
        rejected=(old.rejected(), new.rejected()),
        columns_added={n: t for n, t in new.types.items() if n not in old.types} if old.types else {},
        columns_dropped={n: t for n, t in old.types.items() if n not in new.types},
        types={name: (old.types[name], new.types[name]) for name in both if old.types[name] != new.types[name]},
        **found,
    )


def _identity(spec: TableSpec, old: Mapping[str, ColumnType], new: Mapping[str, ColumnType]) -> list[str]:
    """The columns that say which row is which, and that both sides have."""
    wanted = [
        *(name for name in spec.key if name not in spec.hidden),
        *(["valid_from"] if spec.write == "scd2" else []),
    ]
    if spec.key and not spec.hidden and all(name in new and (name in old or not old) for name in wanted):
        return wanted
    return [PAGE, RECORD] if spec.provenance else [name for name in new if name in old]


class _Side:
    """One database's table."""

    def __init__(self, session: Session, layout: Layout) -> None:
        self._session, self._layout = session, layout
        self.types = session.columns(layout.name)
        if self.types and layout.spec.write == "scd2":
            self.types |= {"valid_from": "timestamp", "valid_to": "timestamp"}

    def store(
        self, scratch: duckdb.DuckDBPyConnection, name: str, identity: Sequence[str], columns: Sequence[str], *,
        flagged: bool,
    ) -> None:  # fmt: skip
        """Put the rows into the table ``name`` as texts: i0…, then c0…; ``r`` says that a row counts as removed."""
        fields = [f"i{at}" for at, _ in enumerate(identity)] + [f"c{at}" for at, _ in enumerate(columns)]
        scratch.execute(f"CREATE TABLE {name} ({', '.join(f'{field} VARCHAR' for field in fields)})")
        cut = [field if field[0] == "i" else _cut(field) for field in fields]
        if self.types:
            provenance: dict[str, ColumnType] = {PAGE: "bigint", RECORD: "bigint"}
            there = {**self.types, **provenance}
            chosen = [column if column in there else None for column in (*identity, *columns)]
            self._stream(scratch, name, self._layout.name, chosen, there, fields, cut)
        if flagged:
            keys = fields[: len(identity)]
            scratch.execute(f"CREATE TABLE {name}_removed ({', '.join(f'{key} VARCHAR' for key in keys)})")
            if self.types and _readable(self._session, self._layout.removed):
                self._stream(scratch, f"{name}_removed", self._layout.removed, list(identity), self.types, keys, keys)
            scratch.execute(f"ALTER TABLE {name} ADD COLUMN c{len(columns)} VARCHAR DEFAULT 'false'")
            match = " AND ".join(f"r.{key} IS NOT DISTINCT FROM t.{key}" for key in keys)
            scratch.execute(f"UPDATE {name} t SET c{len(columns)} = 'true' FROM {name}_removed r WHERE {match}")

    def _stream(
        self, scratch: duckdb.DuckDBPyConnection, name: str, table: str, chosen: Sequence[str | None],
        types: Mapping[str, ColumnType], fields: Sequence[str], cut: Sequence[str],
    ) -> None:  # fmt: skip
        import pyarrow as pa

        asked = [column for column in chosen if column is not None]
        sql = f"SELECT {', '.join(map(quote, asked))} FROM {quote(table)}"
        for batch in self._session.query(sql):
            texts = {column: _texts(batch.column(at), types[column]) for at, column in enumerate(asked)}
            nothing = pa.nulls(batch.num_rows, pa.string())
            arrays = [nothing if column is None else texts[column] for column in chosen]
            scratch.register("batch", pa.Table.from_arrays(arrays, names=list(fields)))
            scratch.execute(f"INSERT INTO {name} ({', '.join(fields)}) SELECT {', '.join(cut)} FROM batch")
            scratch.unregister("batch")

    def rejected(self) -> int:
        name = self._layout.rejected
        if not self.types or not _readable(self._session, name):
            return 0
        return sum(batch.column(0)[0].as_py() for batch in self._session.query(f"SELECT count(*) FROM {quote(name)}"))


def _readable(session: Session, name: str) -> bool:
    try:
        list(session.query(f"SELECT 1 FROM {quote(name)} LIMIT 0"))
    except HeadraceError:
        return False
    return True


def _cut(field: str) -> str:
    return f"CASE WHEN length({field}) > {LONGEST} THEN {field}[:{LONGEST}] || '… ' || md5({field}) ELSE {field} END"


@contextmanager
def _scratch() -> Iterator[duckdb.DuckDBPyConnection]:
    import duckdb

    with TemporaryDirectory(prefix="headrace-compare-") as folder, duckdb.connect(f"{folder}/compare.db") as connection:
        connection.execute("SET memory_limit = '192MB'")
        connection.execute("SET threads = 2")
        connection.execute("SET preserve_insertion_order = false")
        yield connection


def _compared(
    scratch: duckdb.DuckDBPyConnection, keys: int, columns: Sequence[str], identity: Sequence[str]
) -> dict[str, Any]:
    """Both sides joined. Rows that share an identity (a record can give several) are paired in order of their values."""
    fields = [f"c{at}" for at, _ in enumerate(columns)]
    ids = [f"i{at}" for at in range(keys)]
    order = ", ".join(fields or ids)
    for name in ("old", "new"):
        scratch.execute(
            f"CREATE VIEW {name}_rows AS SELECT *, row_number() OVER (PARTITION BY {', '.join(ids)} ORDER BY {order}) AS n FROM {name}"
        )
    match = " AND ".join([*(f"o.{id} IS NOT DISTINCT FROM w.{id}" for id in ids), "o.n = w.n"])
    differs = {field: f"o.{field} IS DISTINCT FROM w.{field}" for field in fields}
    kind = (
        "CASE WHEN o.n IS NULL THEN 'added' WHEN w.n IS NULL THEN 'removed' "
        f"WHEN {' OR '.join(differs.values()) or 'false'} THEN 'changed' END"
    )
    picked = [f"coalesce(o.{id}, w.{id}) AS {id}" for id in ids]
    picked += [f"o.{field} AS old_{field}, w.{field} AS new_{field}" for field in fields]
    scratch.execute(
        f"CREATE TABLE found AS SELECT {kind} AS kind, {', '.join(picked)} FROM old_rows o FULL JOIN new_rows w ON {match} "
        f"WHERE ({kind}) IS NOT NULL"
    )
    counts = dict(scratch.execute("SELECT kind, count(*) FROM found GROUP BY kind").fetchall())
    values: dict[str, int] = {}
    if fields and counts.get("changed"):
        sums = ", ".join(f"count(*) FILTER (old_{field} IS DISTINCT FROM new_{field})" for field in fields)
        row = scratch.execute(f"SELECT {sums} FROM found WHERE kind = 'changed'").fetchone() or ()
        values = {column: number for column, number in zip(columns, row, strict=True) if number}
    one = {name: _one(scratch, f"SELECT count(*) FROM {name}") for name in ("old", "new")}
    return {
        "rows": (one["old"], one["new"]),
        "added": counts.get("added", 0), "removed": counts.get("removed", 0), "changed": counts.get("changed", 0),
        "values": values, "examples": _examples(scratch, ids, columns, identity),
    }  # fmt: skip


def _one(scratch: duckdb.DuckDBPyConnection, sql: str) -> int:
    row = scratch.execute(sql).fetchone()
    return int(row[0]) if row else 0


def _examples(
    scratch: duckdb.DuckDBPyConnection, ids: Sequence[str], columns: Sequence[str], identity: Sequence[str]
) -> list[RowDifference]:
    """The first of each kind by turns, as long as there is room."""
    kinds: tuple[Literal["changed", "added", "removed"], ...] = ("changed", "added", "removed")
    found: list[list[RowDifference]] = []
    for kind in kinds:
        order = ", ".join(f"TRY_CAST({id} AS HUGEINT) NULLS LAST, {id}" for id in ids)
        sql = f"SELECT * EXCLUDE (kind) FROM found WHERE kind = ? ORDER BY {order} LIMIT {EXAMPLES}"
        rows = []
        for row in scratch.execute(sql, [kind]).fetchall():
            pairs = zip(row[len(ids) :: 2], row[len(ids) + 1 :: 2], strict=True)
            values = {c: pair for c, pair in zip(columns, pairs, strict=True) if pair[0] != pair[1]}
            if kind != "changed":
                values.pop(REMOVED, None)
            rows.append(RowDifference(kind, dict(zip(identity, row, strict=False)), values))
        found.append(rows)
    return [one for turn in zip_longest(*found) for one in turn if one is not None][:EXAMPLES]


def _texts(column: pa.Array[Any], type: ColumnType) -> pa.Array[Any]:
    """The values of a column as texts that are equal where they mean the same, in whatever type a database has them."""
    import pyarrow as pa

    if type in ("string", "json", "untyped", "int", "bigint", "date") and not pa.types.is_binary(column.type):
        return column.cast(pa.string())
    write = _WRITERS.get(type, str)
    return pa.array([None if value is None else write(value) for value in column.to_pylist()], pa.string())


def _number(value: Any) -> str:
    """A whole float as the integer that it is."""
    if isinstance(value, float) and abs(value) < _WHOLE and value == int(value):
        return str(int(value))
    return repr(value) if isinstance(value, float) else str(value)


def _decimal(value: Any) -> str:
    from headrace.destinations._rows import decimal_text

    return decimal_text(value if isinstance(value, Decimal) else Decimal(str(value))) or ""


def _moment(value: Any) -> str:
    from headrace.destinations._rows import time_text

    return time_text(value) or "" if isinstance(value, datetime) else str(value)


_WRITERS: Mapping[str, Callable[[Any], str]] = {
    "bool": lambda value: "true" if value else "false",
    "float": _number,
    "decimal": _decimal,
    "timestamp": _moment,
    "binary": lambda value: value.hex(),
}
