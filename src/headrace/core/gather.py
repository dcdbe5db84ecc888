"""The rows of a group, which come page by page, put together."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from headrace.core.tables import Batch
from headrace.core.types import ColumnType

_SMALL_PARTS = 8192
"""Rows of a part, on average, below which the parts of a group are copied into one: DuckDB reads a thousand rows at a
time half as fast as one long column, and with a copy of them less memory is touched than with parts."""


def gather(batches: Sequence[Batch]) -> dict[str, tuple[pa.Table, dict[str, ColumnType]]]:
    """Each table's rows of the group as one Arrow table, and their types."""
    parts: dict[str, list[pa.RecordBatch]] = {}
    types: dict[str, dict[str, ColumnType]] = {}
    for batch in batches:
        if batch.rows.num_rows:
            parts.setdefault(batch.table, []).append(batch.rows)
            types.setdefault(batch.table, {}).update(batch.types)
    found = {}
    for table, rows in parts.items():
        if all(part.schema.equals(rows[0].schema) for part in rows):
            whole = pa.Table.from_batches(rows)
        else:
            whole = pa.concat_tables([pa.Table.from_batches([part]) for part in rows], promote_options="default")
        if whole.num_rows < _SMALL_PARTS * len(rows):
            # DuckDB keeps a row group in memory for each part that it inserts: thousands of one row each fill it.
            whole = whole.combine_chunks()
        found[table] = whole, {name: types[table][name] for name in whole.column_names if name in types[table]}
    return found


def gathered(batches: Sequence[Batch]) -> list[Batch]:
    """The same rows in fewer batches: one for each table, where to copy them pays."""
    return [Batch(table, part, types) for table, (rows, types) in gather(batches).items() for part in rows.to_batches()]
