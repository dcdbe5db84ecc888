"""The versions of a table's columns: one for each page that changed them, however many it changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.destinations import from_url
from headrace.testing.destination.build import Writer, page, table
from headrace.testing.destination.read import fetch

ITEMS = table("items", "merge", {"id": "int", "a": None, "b": None, "c": None}, key=["id"])


@pytest.mark.parametrize("scheme", ["duckdb", "sqlite"])
def test_what_one_page_changes_is_one_version(scheme: str, tmp_path: Path) -> None:
    first = page(1, ITEMS, [{"id": 1, "a": 1, "b": 1.5}], types={"a": "int", "b": "float"},
                 changes=[("a", "untyped", "int"), ("b", "untyped", "float")])  # fmt: skip
    second = page(2, ITEMS, [{"id": 2, "a": 2, "c": "x"}], types={"a": "int", "b": "float", "c": "string"},
                  changes=[("c", "untyped", "string")])  # fmt: skip
    third = page(3, ITEMS, [{"id": 3, "a": "y", "c": "x"}], types={"a": "string", "b": "float", "c": "string"},
                 changes=[("a", "int", "string")])  # fmt: skip
    with from_url(f"{scheme}:///{tmp_path}/test.db").open() as session:
        writer = Writer(session).prepare(ITEMS)
        for one in (first, second, third):
            writer.commit(one)
        found = fetch(
            session, 'SELECT version, "column", type, page_id FROM headrace_schemas ORDER BY version, "column"'
        )
        assert session.columns("items") == {"id": "int", "a": "string", "b": "float", "c": "string"}
    of = {one.id: number for number, one in enumerate((first, second, third), 1)}
    assert [(version, column, type, of.get(page_id)) for version, column, type, page_id in found] == [
        (1, "a", "untyped", None), (1, "b", "untyped", None), (1, "c", "untyped", None), (1, "id", "int", None),
        (2, "a", "int", 1), (2, "b", "float", 1), (3, "c", "string", 2), (4, "a", "string", 3),
    ]  # fmt: skip
