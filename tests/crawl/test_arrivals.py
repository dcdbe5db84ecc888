"""Pages of several slices: together where nothing tells them apart, each with its own variables where something does."""

from __future__ import annotations

from typing import Any

import pytest

from headrace.core.contracts import Limits
from headrace.core.http import Response
from headrace.core.tables import Checkpoint, SliceState, StreamKey, page_id
from headrace.crawl.arrivals import Arrivals, Ready
from headrace.crawl.fetch import Fetched
from headrace.crawl.variables import PageLookup
from headrace.mapping.config import Table
from headrace.mapping.mapper import Mapper

SLICES = {f"s{n}": SliceState(f"s{n}", n, {"first": 10 * n}) for n in range(4)}
ANSWER = Response(200, (), b"", "https://a.example", 1, 0.0)


def page(number: int) -> Fetched:
    key = StreamKey("r", "s", f"s{number}")
    identifier = page_id(1_700_000_000_000_000 + number, key, 1)
    records = b'[{"id": %d}, {"id": %d}]' % (10 * number, 10 * number + 1)
    return Fetched(Checkpoint(key, 1, None, True), ANSWER, records, 2, identifier, "", 1_700_000_000_000_000 + number)


def mapped(columns: dict[str, Any], *, where: dict[str, Any] | None = None) -> tuple[list[Ready], list[dict[str, Any]]]:
    lookup = PageLookup(lambda name: pytest.fail(f"{name} was asked for"))
    table = Table.model_validate({"table": "t", "columns": columns, **({"where": where} if where else {})})
    mapper = Mapper([table], known={}, limits=Limits(), lookup=lookup)
    arrivals = Arrivals("s", mapper, lookup, SLICES)
    ready = [*arrivals.map([page(0)]), *arrivals.map([page(1), page(2), page(3)])]
    rows = [row for one in ready if one.mapped for batch in one.mapped.batches for row in batch.rows.to_pylist()]
    return ready, rows


def test_pages_that_nothing_tells_apart_are_mapped_together() -> None:
    ready, rows = mapped({"id": "id"})
    assert [len(one.items) for one in ready] == [1, 3]
    assert [(row["id"], row["_page"], row["_record"]) for row in rows] == [
        (10 * n + i, page(n).page_id, i) for n in range(4) for i in range(2)
    ]


def test_a_variable_of_the_slice_keeps_slices_apart() -> None:
    ready, rows = mapped({"id": "id", "part": {"value": "{slice.first}"}})
    assert [len(one.items) for one in ready] == [1, 1, 1, 1]
    assert [(row["id"], row["part"]) for row in rows] == [(10 * n + i, 10 * n) for n in range(4) for i in range(2)]


def test_a_condition_on_the_slice_keeps_slices_apart() -> None:
    _, rows = mapped({"id": "id"}, where={"id": "{slice.first}"})
    assert [row["id"] for row in rows] == [0, 10, 20, 30]
