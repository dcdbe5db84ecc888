"""Arrow arrays of columns. Nothing else in Headrace knows which Arrow type a column has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute

from headrace.core.types import DECIMAL_PRECISION, DECIMAL_SCALE, ColumnType
from headrace.mapping.cells import Cell
from headrace.mapping.coerce import stored

pc: Any = pyarrow.compute
"""Arrow's functions; untyped, since their stubs want each array's type known."""
TIMESTAMP: Any = pa.timestamp("us", "UTC")
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


def array_of(values: list[Any], column: ColumnType) -> pa.Array[Any]:
    """The array of what :func:`~headrace.mapping.coerce.stored` gives for a column."""
    made: pa.Array[Any] = pa.array(values, pa.int64() if column == "timestamp" else ARROW[column])
    return made.cast(TIMESTAMP) if column == "timestamp" else made


def array(cells: Iterable[Cell], column: ColumnType) -> pa.Array[Any]:
    """The array of a column's cells, all of which fit its type."""
    return array_of([stored(cell, column) for cell in cells], column)


def repeated(cell: Cell, column: ColumnType, count: int) -> pa.Array[Any]:
    """The array of a constant."""
    made: pa.Array[Any] = pa.repeat(array([cell], column)[0], count)
    return made
