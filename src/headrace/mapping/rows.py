"""The last steps of every table: one row for each key, the hash, where rows came from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import compress, count, repeat
from typing import Any, cast

import pyarrow as pa

from headrace.core.tables import PAGE, RECORD, Batch
from headrace.mapping.arrow import pc
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


@dataclass(frozen=True, slots=True)
class Provenance:
    """Of each record, its page's identifier and its index in that page."""

    pages: list[int]
    records: list[int]

    @classmethod
    def of(cls, pages: Iterable[tuple[int, int]]) -> Provenance:
        """``pages``: identifier and number of records of each, in order."""
        found = cls([], [])
        for page_id, length in pages:
            found.pages.extend(repeat(page_id, length))
            found.records.extend(range(length))
        return found


def batch(
    plan: TablePlan, state: TableState, columns: Columns, provenance: Provenance
) -> tuple[Batch | None, list[tuple[int, str]]]:
    """The batch of one or several pages, with one row for each key of a page; and for each row without a key its
    record and the column that is null."""
    spec = plan.spec
    keyless: dict[int, str] = {}
    for name in spec.key:
        array = columns.arrays[name]
        if array.null_count:
            for row in compress(count(), array.is_null().to_pylist()):
                keyless.setdefault(row, name)
    lost = [(columns.records[row], keyless[row]) for row in sorted(keyless)]
    if keyless:
        columns = take(columns, [row for row in range(len(columns.records)) if row not in keyless])
    if spec.key and columns.records:
        pages = [provenance.pages[record] for record in columns.records]
        keys = list(zip(pages, *(_comparable(columns.arrays[name]) for name in spec.key), strict=True))
        ranked = cache(lambda name: _comparable(columns.arrays[name]))
        kept = keep(keys, columns.records, plan.prefer, ranked, first=spec.write == "append")
        if kept is not None:
            columns = take(columns, kept)
    if not columns.records:
        return None, lost
    arrays, types = dict(columns.arrays), dict(state.types)
    if plan.hashed:
        hashes = pa.array(_hashes(plan, state, columns), pa.string())
        for column in filter(None, (HASH, spec.hash_column)):
            arrays[column] = hashes
            types[column] = "string"
    arrays[PAGE] = pa.array([provenance.pages[record] for record in columns.records], pa.int64())
    arrays[RECORD] = pa.array([provenance.records[record] for record in columns.records], pa.int64())
    return Batch(spec.name, pa.RecordBatch.from_pydict(arrays), types), lost


def _hashes(plan: TablePlan, state: TableState, columns: Columns) -> list[str]:
    from headrace.mapping.hash import row_hashes

    labels = {column.name: column.label for column in plan.columns}
    labels |= {column: original for original, column in state.fields.items()}
    left_out = {*plan.hash_without, *plan.spec.hidden}
    names = [name for name in columns.arrays if name not in left_out]
    values: Mapping[str, Sequence[Any]] = {name: columns.plain(name) for name in names}
    rows = zip(*(values[name] for name in names), strict=True) if names else iter([()] * len(columns.records))
    return row_hashes([labels.get(n, n) for n in names], rows, skip_nulls=plan.spec.open_ended)


def take(columns: Columns, rows: Sequence[int]) -> Columns:
    """The given rows, in that order."""
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


def merged(a: Columns, b: Columns) -> Columns:
    """The rows of both in record order; no record has rows in both."""
    records = a.records + b.records
    arrays = {name: pa.concat_arrays([array, b.arrays[name]]) for name, array in a.arrays.items()}
    together = Columns(arrays, records, lambda name: [*a.plain(name), *b.plain(name)])
    return take(together, sorted(range(len(records)), key=records.__getitem__))


def _comparable(array: pa.Array[Any]) -> list[Any]:
    values = array.cast(pa.int64()) if pa.types.is_timestamp(array.type) else array
    return cast("list[Any]", values.to_pylist())
