"""A group's Arrow rows before they are written: put together, one per key, in the table's types."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from headrace.core.tables import PAGE, RECORD
from headrace.core.types import ColumnType

ARROW: Mapping[ColumnType, pa.DataType] = {
    "untyped": pa.string(), "bool": pa.bool_(), "int": pa.int64(), "bigint": pa.int64(),
    "decimal": pa.decimal128(38, 9), "float": pa.float64(), "string": pa.string(), "json": pa.string(),
    "timestamp": pa.timestamp("us", "UTC"), "date": pa.date32(), "binary": pa.binary(),
}  # fmt: skip


def types_of(rows: pa.Table, known: Mapping[str, ColumnType]) -> dict[str, ColumnType]:
    """The type of every column, also of those that only the engine knows."""
    by_arrow: dict[pa.DataType, ColumnType] = {pa.int64(): "bigint", pa.timestamp("us", "UTC"): "timestamp",
                                               pa.binary(): "binary"}  # fmt: skip
    return {field.name: known.get(field.name, by_arrow.get(field.type, "string")) for field in rows.schema}


def keys_of(rows: pa.Table, key: Sequence[str]) -> list[Any]:
    """The key of each row, in a form that can be compared and hashed."""
    columns = [rows.column(name).to_pylist() for name in key]
    return columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))


def versions(rows: pa.Table) -> list[tuple[int, int]]:
    pages: list[Any] = rows.column(PAGE).to_pylist()
    records: list[Any] = rows.column(RECORD).to_pylist()
    return list(zip(pages, records, strict=True))


_GLANCE = 256
"""Keys that are compared before all are: those that do not rise give themselves away early."""


def _rises(column: Any) -> bool:
    """Each value is greater than the one before it, as identifiers are that an API lists in their order."""
    for length in (_GLANCE, len(column)):
        part = column.slice(0, length)
        if len(part) < 2:
            return True
        if pc.all(pc.less(part.slice(0, len(part) - 1), part.slice(1)), skip_nulls=False).as_py() is not True:
            return False
    return True


def _unique(rows: pa.Table, key: Sequence[str]) -> bool:
    if len(key) == 1:
        with suppress(pa.ArrowNotImplementedError):
            if _rises(rows.column(key[0])):  # a tenth of counting
                return True
        with suppress(pa.ArrowNotImplementedError):  # grouping loads a third more of Arrow
            return bool(pc.count_distinct(rows.column(key[0]), mode="all").as_py() == rows.num_rows)
    narrow = rows.select(list(key))
    return bool(narrow.group_by(list(key), use_threads=False).aggregate([]).num_rows == rows.num_rows)


def first_of_each(rows: pa.Table, key: Sequence[str]) -> pa.Table:
    """The row of the least version for each key."""
    return _one_of_each(rows, key, least=True, keep=False)


def last_of_each(rows: pa.Table, key: Sequence[str], *, keep: bool) -> pa.Table:
    """The row of the greatest version for each key; with ``keep``, its nulls filled from the others,
    the greatest first."""
    return _one_of_each(rows, key, least=False, keep=keep)


def _one_of_each(rows: pa.Table, key: Sequence[str], *, least: bool, keep: bool) -> pa.Table:
    if _unique(rows, key):
        return rows
    version = versions(rows)
    of_key: dict[Any, list[int]] = {}
    for index, value in enumerate(keys_of(rows, key)):
        of_key.setdefault(value, []).append(index)
    ranked = [sorted(found, key=version.__getitem__, reverse=not least) for found in of_key.values()]
    chosen = rows.take(pa.array([found[0] for found in ranked], pa.int64()))
    if not keep:
        return chosen
    for depth in range(1, max(map(len, ranked))):
        other = rows.take(pa.array([found[min(depth, len(found) - 1)] for found in ranked], pa.int64()))
        for at, name in enumerate(rows.column_names):
            chosen = chosen.set_column(
                at, rows.schema.field(name), pc.coalesce(chosen.column(name), other.column(name))
            )
    return chosen


def in_order(rows: pa.Table, key: Sequence[str]) -> pa.Table:
    """Sorted by key, as the index that they are looked up in is: each of its pages, and the rows that were written
    together, are then read once."""
    return rows.take(pc.sort_indices(rows.select(list(key)), sort_keys=[(name, "ascending") for name in key]))


def decimal_text(value: Any) -> str | None:
    """A decimal as plain digits, without the zeros that its scale adds."""
    if value is None:
        return None
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def time_text(value: Any) -> str | None:
    """A UTC datetime as fixed-width ISO 8601, so that texts sort as times do."""
    return None if value is None else value.strftime("%Y-%m-%dT%H:%M:%S.%f").rjust(26, "0") + "Z"


def as_text(column: Any, before: ColumnType) -> Any:
    """The texts of a column's values, as a column that widens to text keeps them."""
    if before in ("string", "json", "untyped"):
        return column.cast(pa.string())
    values = column.to_pylist()
    if before == "decimal":
        return pa.array([decimal_text(v) for v in values], pa.string())
    if before == "timestamp":
        return pa.array([time_text(v) for v in values], pa.string())
    if before == "bool":
        return pa.array([None if v is None else "true" if v else "false" for v in values], pa.string())
    if before == "binary":
        return pa.array([None if v is None else v.hex() for v in values], pa.string())
    return pa.array([None if v is None else str(v) for v in values], pa.string())


def conform(rows: pa.Table, have: Mapping[str, ColumnType], want: Mapping[str, ColumnType]) -> pa.Table:
    """``rows`` with each column in the type that the table has by now (never a narrower one)."""
    for name, after in want.items():
        before = have.get(name)
        if before is None or before == after or ARROW[before] == ARROW[after]:
            continue
        at = rows.schema.get_field_index(name)
        column = rows.column(name)
        if before == "untyped":
            new: Any = pa.array([None] * rows.num_rows, ARROW[after])
        elif after in ("string", "json", "untyped"):
            new = as_text(column, before)
        else:
            new = column.cast(ARROW[after])
        rows = rows.set_column(at, pa.field(name, ARROW[after]), new)
    return rows


def row_as_json(rows: pa.Table, index: int) -> bytes:
    """One row for the eye, as the raw form of a record that only the database refused."""
    row = rows.slice(index, 1)
    found: dict[str, int | float | str] = {}
    for name in row.column_names:
        column = row.column(name)
        if pa.types.is_string(column.type):
            packed = column.cast(pa.binary()).to_pylist()[0]
            value: Any = None if packed is None else packed.decode("utf-8", "backslashreplace")
        else:
            value = column.to_pylist()[0]
        if value is not None and name not in (PAGE, RECORD):
            found[name] = value if isinstance(value, int | float | bool | str) else str(value)
    return json.dumps(found, ensure_ascii=False).encode("utf-8", "backslashreplace")
