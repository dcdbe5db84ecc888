"""The rows of a group put together: the same rows in the same order, copied where that pays."""

from __future__ import annotations

import pyarrow as pa

from headrace.core.gather import gather, gathered
from headrace.core.tables import Batch
from headrace.core.types import ColumnType


def of(table: str, ids: list[int], **more: str) -> Batch:
    types: dict[str, ColumnType] = {"id": "int"}
    columns: dict[str, list[object]] = {"id": [*ids]}
    for name, value in more.items():
        columns[name], types[name] = [value] * len(ids), "string"
    return Batch(table, pa.record_batch(columns), types)


def test_short_parts_become_one_in_their_order() -> None:
    found = gathered([of("a", [1, 2]), of("b", [9]), of("a", [3]), of("a", [])])
    assert [(one.table, one.rows.column("id").to_pylist()) for one in found] == [("a", [1, 2, 3]), ("b", [9])]


def test_long_parts_are_not_copied() -> None:
    long = [of("a", list(range(10_000))), of("a", list(range(9_000)))]
    found = gathered(long)
    assert [one.rows.column("id").buffers()[1].address for one in found] == [
        one.rows.column("id").buffers()[1].address for one in long
    ]


def test_a_column_that_comes_later_is_null_before() -> None:
    (found,) = gathered([of("a", [1]), of("a", [2], name="x")])
    assert found.rows.to_pylist() == [{"id": 1, "name": None}, {"id": 2, "name": "x"}]
    assert found.types == {"id": "int", "name": "string"}


def test_nothing_comes_of_nothing() -> None:
    assert gathered([of("a", [])]) == []
    assert gather([]) == {}
