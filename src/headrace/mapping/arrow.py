"""Arrow arrays of columns. Nothing else in Headrace knows which Arrow type a column has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from headrace.core.types import DECIMAL_PRECISION, DECIMAL_SCALE, ColumnType
from headrace.mapping.cells import Cell
from headrace.mapping.coerce import stored

TIMESTAMP = pa.timestamp("us", "UTC")
ARROW: Mapping[ColumnType, Any] = {
    "untyped": pa.string(),
    "bool": pa.bool_(),
    "int": pa.int64(),
    "bigint": pa.int64(),
    "decimal": pa.decimal128(DECIMAL_PRECISION, DECIMAL_SCALE),
    "float": pa.float64(),
    "string": pa.string(),
    "json": pa.string(),
    "timestamp": TIMESTAMP,
    "date": pa.date32(),
    "binary": pa.binary(),
}


def array(cells: Iterable[Cell], column: ColumnType) -> pa.Array[Any]:
    """The array of a column's cells, all of which fit its type."""
    values = [stored(cell, column) for cell in cells]
    made: pa.Array[Any] = pa.array(values, pa.int64() if column == "timestamp" else ARROW[column])
    return made.cast(TIMESTAMP) if column == "timestamp" else made


def repeated(cell: Cell, column: ColumnType, count: int) -> pa.Array[Any]:
    """The array of a constant."""
    made: pa.Array[Any] = pa.repeat(array([cell], column)[0], count)
    return made
