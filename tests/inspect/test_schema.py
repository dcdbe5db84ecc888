"""Which page made a column what it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.runner.conftest import Api, Place, api

import headrace
from headrace.core.errors import InputError
from headrace.destinations import from_url
from headrace.inspect.schema import ColumnVersion, SchemaPage, history

__all__ = ["api"]  # a fixture


@pytest.fixture(name="place", params=["duckdb", "sqlite", "postgresql"])
def _place(request: pytest.FixtureRequest, api: Api, tmp_path: Path) -> Place:
    found = Place(tmp_path, api)
    if request.param == "postgresql":
        found.url = request.getfixturevalue("postgres_url")
    else:
        found.url = f"{request.param}:///{tmp_path}/made.db"
    return found


def versions(place: Place, table: str = "items") -> list[ColumnVersion]:
    target = from_url(place.url)
    with target.open(read_only=True) as session:
        return history(session, target, table)


def test_every_version_names_its_page(place: Place, api: Api) -> None:
    pages: list[list[Mapping[str, Any]]] = [[{"id": 1}], [{"id": 2, "v": 1}], [{"id": 3, "v": "x", "w": 1.5}]]

    def answer(path: str, query: Mapping[str, str]) -> Any:
        at = int(query.get("page", 1))
        return {"data": pages[at - 1] if at <= len(pages) else []}

    api.answer = answer
    columns = {"id": {"path": "id", "type": "int"}, "v": "v", "w": "w"}
    config = {
        "url": "/items", "pagination": {"type": "page"}, "commit_every": 0.001,
        "tables": [{"table": "items", "key": ["id"], "columns": columns}],
    }  # fmt: skip
    file = place.file(config)
    place.run(file, run_id="first")
    found = versions(place)
    assert [(each.version, each.column, each.before, each.type) for each in found[:3]] == [
        (1, "id", None, "int"), (1, "v", None, "untyped"), (1, "w", None, "untyped"),
    ]  # fmt: skip
    assert all(each.page is None and not each.run_id for each in found[:3]), "declared in the file"
    later = {(each.column, each.before, each.type): each.page for each in found[3:]}
    second, third = (SchemaPage("first", "a", "", number) for number in (2, 3))
    assert later == {
        ("v", "untyped", "int"): second,
        ("v", "int", "string"): third,
        ("w", "untyped", "float"): third,
    }
    assert [each.version for each in found] == sorted(each.version for each in found)
    headrace.replay("made", destination=place.url)
    assert {(e.column, e.before, e.type): e.page for e in versions(place) if e.run_id} == later, (
        "a replay says the same"
    )


def test_a_table_that_is_not_there(place: Place, api: Api) -> None:
    place.run(place.file({"url": "/items", "tables": [{"table": "items", "columns": {"id": "id"}}]}))
    with pytest.raises(InputError, match="did you mean 'items'"):
        versions(place, "item")
