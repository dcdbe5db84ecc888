"""What the tables must hold, worked out in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headrace.core.tables import PAGE, RECORD, TableSpec

from .build import Page
from .read import Rows, in_order

Record = dict[str, Any]


def expected(spec: TableSpec, committed: Sequence[Page]) -> Rows:
    """The table after ``committed`` in that order, a complete step and no removals."""
    records = [
        row for each in committed for one in each.batches if one.table == spec.name for row in one.rows.to_pylist()
    ]
    if spec.write == "merge":
        records = _latest(spec, records)
    elif spec.write == "append" and spec.key:
        records = _first(spec, records)
    elif spec.write == "scd2":
        records = _versions(spec, records)
    return in_order([tuple(row[name] for name in spec.columns) for row in records])


def _key(spec: TableSpec, row: Record) -> tuple[Any, ...]:
    return tuple(row[name] for name in spec.key)


def _latest(spec: TableSpec, records: Sequence[Record]) -> list[Record]:
    table: dict[tuple[Any, ...], Record] = {}
    for row in sorted(records, key=lambda row: (row[PAGE], row[RECORD])):
        before = table.get(_key(spec, row), {}) if spec.missing == "keep" else {}
        table[_key(spec, row)] = {**before, **{name: value for name, value in row.items() if value is not None}}
    return [{name: row.get(name) for name in spec.columns} for row in table.values()]


def _first(spec: TableSpec, records: Sequence[Record]) -> list[Record]:
    table: dict[tuple[Any, ...], Record] = {}
    for row in records:
        table.setdefault(_key(spec, row), row)
    return list(table.values())


def _versions(spec: TableSpec, records: Sequence[Record]) -> list[Record]:
    versions: list[Record] = []
    current: dict[tuple[Any, ...], list[Any]] = {}
    for row in sorted(records, key=lambda row: (row[PAGE], row[RECORD])):
        values = [row[name] for name in spec.columns if name not in spec.hash_without]
        if current.get(_key(spec, row)) != values:
            current[_key(spec, row)] = values
            versions.append(row)
    return versions
