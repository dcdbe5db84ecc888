"""The last steps of every table: one row for each key, the hash, where rows came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from headrace.core.tables import PAGE, RECORD, Batch
from headrace.mapping.choose import keep
from headrace.mapping.naming import HASH
from headrace.mapping.plan import TablePlan, TableState


@dataclass
class Columns:
    """The rows of one table on one page, before keys are looked at."""

    arrays: dict[str, pa.Array[Any]]
    """Every column of the state, each of its type."""
    records: list[int]
    """The record of each row."""
    plain: Callable[[str], Sequence[Any]]
    """A column's values as ``json.loads`` gives them."""


def null_key(columns: Sequence[str]) -> str:
    """Why a row without a key is rejected."""
    return f"the key is null: {', '.join(columns)}"


def batch(plan: TablePlan, state: TableState, columns: Columns, page_id: int) -> tuple[Batch | None, dict[int, str]]:
    """The batch of a page, and the records whose rows have no key, with the column that is null."""
    spec = plan.spec
    keyless: dict[int, str] = {}
    rows: list[int] | None = None
    for name in spec.key:
        array = columns.arrays[name]
        if array.null_count:
            nulls = array.is_null().to_pylist()
            for record in compress(columns.records, nulls):
                keyless.setdefault(record, name)
            held = [i for i, null in enumerate(nulls) if not null]
            rows = held if rows is None else sorted(set(rows) & set(held))
    if rows is not None:
        columns = _take(columns, rows)
    if spec.key and columns.records:
        keys = list(zip(*(columns.arrays[name].to_pylist() for name in spec.key), strict=True))
        kept = keep(
            keys, columns.records, plan.prefer, lambda name, row: columns.arrays[name][row].as_py(),
            first=spec.write == "append",
        )  # fmt: skip
        if kept is not None:
            columns = _take(columns, kept)
    if not columns.records:
        return None, keyless
    arrays, types = dict(columns.arrays), dict(state.types)
    if plan.hashed:
        hashes = pa.array(_hashes(plan, state, columns), pa.string())
        for column in filter(None, (HASH, spec.hash_column)):
            arrays[column] = hashes
            types[column] = "string"
    arrays[PAGE] = pa.repeat(pa.scalar(page_id, pa.int64()), len(columns.records))
    arrays[RECORD] = pa.array(columns.records, pa.int64())
    return Batch(spec.name, pa.RecordBatch.from_pydict(arrays), types), keyless


def _hashes(plan: TablePlan, state: TableState, columns: Columns) -> list[str]:
    from headrace.mapping.hash import row_hashes

    labels = {column.name: column.label for column in plan.columns}
    labels |= {column: original for original, column in state.fields.items()}
    left_out = {*plan.hash_without, *plan.spec.hidden}
    names = [name for name in columns.arrays if name not in left_out]
    values: Mapping[str, Sequence[Any]] = {name: columns.plain(name) for name in names}
    rows = zip(*(values[name] for name in names), strict=True) if names else iter([()] * len(columns.records))
    return row_hashes([labels.get(n, n) for n in names], rows, skip_nulls=plan.spec.open_ended)


def _take(columns: Columns, rows: list[int]) -> Columns:
    index = pa.array(rows, pa.int64())
    before = columns.plain

    def plain(name: str) -> list[Any]:
        values = before(name)
        return [values[row] for row in rows]

    return Columns(
        {name: pc.take(array, index) for name, array in columns.arrays.items()},
        [columns.records[row] for row in rows],
        plain,
    )
