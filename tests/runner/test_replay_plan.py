"""What a replay would change is known before anything is written, and comes out as it was said."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.runner.conftest import Api, Place

import headrace
from headrace.cli._failure import guarded
from headrace.cli.main import cli
from headrace.destinations import from_url
from headrace.runner.difference import TableDifference
from headrace.runner.replay import ReplayPlan

Rows = list[dict[str, Any]]


@pytest.fixture(params=["duckdb", "sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, place: Place, tmp_path: Path) -> Place:
    if request.param == "postgresql":
        place.url = request.getfixturevalue("postgres_url")
    else:
        place.url = f"{request.param}:///{tmp_path}/made.db"
    return place


def serve(api: Api, rows: Rows, size: int = 4) -> None:
    """``rows`` in pages behind a cursor."""

    def answer(path: str, query: Mapping[str, str]) -> Any:
        at = int(query.get("cursor", 0))
        after = at + size
        return {"data": rows[at:after], "next": str(after) if after < len(rows) else None}

    api.answer = answer


def config(*tables: Mapping[str, Any]) -> dict[str, Any]:
    paging = {"type": "cursor", "param": "cursor", "response_path": "next"}
    return {"url": "/items", "pagination": paging, "tables": list(tables)}


def planned(place: Place, file: Path, **options: Any) -> ReplayPlan:
    return headrace.replay("made", pipeline_file=file, destination=place.url, plan=True, **options)


def contents(place: Place) -> dict[str, Any]:
    """Every row of every table there is, the engine's own too."""
    with from_url(place.url).open(read_only=True) as session:
        if place.url.startswith("sqlite"):
            names = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"
        else:
            names = (
                "SELECT table_name FROM information_schema.tables "
                "WHERE table_schema NOT IN ('information_schema', 'pg_catalog')"
            )
        tables = [str(name) for batch in session.query(names) for name in batch.column(0).to_pylist()]
        return {
            name: sorted(
                map(str, (row for batch in session.query(f'SELECT * FROM "{name}"') for row in batch.to_pylist()))
            )
            for name in tables
        }


ITEMS: Rows = [
    {"id": n, "name": f" name {n} ", "price": n / 4, "owner": {"team": f"t{n % 3}"}, "tags": [1, n]} for n in range(12)
]
BEFORE = {
    "table": "items", "key": ["id"],
    "columns": {"id": "id", "name": "name", "price": "price", "tags": "tags"},
}  # fmt: skip


def test_the_difference_is_said_and_nothing_is_written(place: Place, api: Api) -> None:
    serve(api, ITEMS)
    place.run(place.file(config(BEFORE)))
    after = {
        "table": "items", "key": ["id"], "where": {"owner.team": {"ne": "t2"}},
        "columns": {
            "id": {"path": "id", "type": "string"}, "name": {"path": "name", "apply": ["trim"]}, "price": "price",
            "team": "owner.team",
        },
    }  # fmt: skip
    stood = contents(place)
    file = place.folder / "made.db"
    digest = hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else ""
    found = planned(place, place.file(config(after)))
    assert contents(place) == stood
    assert not file.exists() or hashlib.sha256(file.read_bytes()).hexdigest() == digest
    assert found.changes
    assert (found.pages, len(found.runs), found.left) == (3, 1, [])
    (items,) = found.tables
    assert (items.rows, items.added, items.removed, items.changed) == ((12, 8), 0, 4, 8)
    assert items.columns_added == {"team": "string"}
    assert items.columns_dropped == {"tags": "json"}
    assert items.types == {"id": ("int", "string")}
    assert items.values == {"name": 8, "team": 8, "tags": 8}
    assert len(items.examples) == 10
    changed = [row for row in items.examples if row.kind == "changed"]
    gone = [row for row in items.examples if row.kind == "removed"]
    assert (len(changed), len(gone)) == (6, 4)
    assert changed[0].key == {"id": "0"}
    assert changed[0].values == {"name": (" name 0 ", "name 0"), "team": (None, "t0"), "tags": ("[1, 0]", None)}
    assert [row.key for row in gone] == [{"id": str(n)} for n in (2, 5, 8, 11)]
    assert gone[0].values["price"] == ("0.5", None)

    done = headrace.replay("made", pipeline_file=place.file(config(after)), destination=place.url)
    assert done.tables == {"items": items.rows[1]}
    again = planned(place, place.file(config(after)))
    assert not again.changes, again


def test_an_added_row_a_new_table_and_one_that_is_left(place: Place, api: Api) -> None:
    serve(api, ITEMS)
    few = {"table": "few", "key": ["id"], "columns": {"id": "id"}, "where": {"owner.team": "t0"}}
    old = {"table": "old", "columns": {"id": "id"}}
    place.run(place.file(config(few, old)))
    more = {"table": "few", "key": ["id"], "columns": {"id": "id"}}
    new = {"table": "new", "columns": {"name": "name"}}
    found = planned(place, place.file(config(more, new)))
    by_name = {table.table: table for table in found.tables}
    assert (by_name["few"].rows, by_name["few"].added, by_name["few"].changed) == ((4, 12), 8, 0)
    assert [row.kind for row in by_name["few"].examples] == ["added"] * 8
    assert (by_name["new"].rows, by_name["new"].added) == ((0, 12), 12)
    assert found.left == ["old"]
    assert "new" not in contents(place)


def test_records_that_would_be_rejected_are_counted(place: Place, api: Api) -> None:
    serve(api, [*ITEMS, {"id": None, "name": "no key"}])
    place.run(place.file(config({"table": "items", "columns": {"id": "id", "name": "name"}})))
    keyed = {"table": "items", "key": ["id"], "columns": {"id": "id", "name": "name"}}
    (items,) = planned(place, place.file(config(keyed))).tables
    assert items.rejected == (0, 1)
    assert (items.rows, items.added, items.removed, items.changed) == ((13, 12), 0, 1, 0)
    assert items.examples[0].key == {"id": None}


def test_long_values_are_told_apart_and_cut(place: Place, api: Api) -> None:
    text = "x" * 5000
    serve(api, [{"id": 1, "a": text + "1", "b": text}, {"id": 2, "a": text, "b": text}])
    place.run(place.file(config({"table": "items", "key": ["id"], "columns": {"id": "id", "v": "b"}})))
    found = planned(place, place.file(config({"table": "items", "key": ["id"], "columns": {"id": "id", "v": "a"}})))
    (items,) = found.tables
    assert (items.changed, items.values) == (1, {"v": 1})
    before, after = items.examples[0].values["v"]
    assert before is not None
    assert after is not None
    assert before != after
    assert len(before) < 300


EVERY = [
    {"table": "appended", "columns": {"id": "id", "v": "v"}},
    {"table": "logged", "key": ["id", "v"], "write": "append", "columns": {"id": "id", "v": "v"}},
    {"table": "merged", "key": ["id"], "columns": {"id": "id", "v": "v", "at": {"path": "at", "type": "timestamp"}}},
    {"table": "kept", "key": ["id"], "missing": "keep", "columns": {"id": "id", "v": "v", "w": "w"}},
    {"table": "replaced", "write": "replace", "columns": {"id": "id", "v": "v", "x": {"path": "x", "type": "decimal"}}},
    {"table": "synced", "key": ["id"], "write": "sync", "columns": {"id": "id", "v": "v", "y": "y"}},
    {"table": "historic", "key": ["id"], "write": "scd2", "columns": {"id": "id", "v": "v", "z": "z"}},
    {"table": "children", "each": "tags.*", "columns": {"id": "^.id", "tag": ""}},
]  # fmt: skip


def _version(number: int, gone: set[int], first: int = 0) -> Rows:
    return [
        {
            "id": n, "v": f"v{number if n % 3 == 0 else 0}", "at": f"2024-01-0{number}T00:00:00Z", "w": None if number == 2 else n,
            "x": "12345678901234567890.123", "y": n % 2 == 0, "z": n * 1.5, "tags": ["a", "a", {"b": n}],
        }
        for n in range(first, 20) if n not in gone
    ]  # fmt: skip


def test_replay_with_the_network_cut_gives_the_same_rows(
    place: Place, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every write mode over four crawls of data that changes, with a removal held back and confirmed, a run that was
    paused and resumed, and one that never ended."""
    file = place.file(config(*EVERY))
    serve(api, _version(1, set()))
    place.run(file, run_id="one")
    serve(api, _version(2, {3}))
    assert place.run(file, run_id="two", max_pages=2).status == "partial"
    place.resume("two")
    serve(api, _version(3, {3, 5, 6, 7, 8, 9, 10}))
    place.run(file, run_id="three")
    with from_url(place.url).open() as session:
        assert session.decide_removals("merged", "three", confirm=True) == 6
    serve(api, _version(4, set(), first=4))
    place.run(file, run_id="four", max_pages=1)
    asked = len(api.asked)
    stood = {name: rows for name, rows in contents(place).items() if not name.startswith("headrace_")}

    def refused(*_: Any, **__: Any) -> None:
        raise AssertionError("a connection was opened")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refused)
    monkeypatch.setattr(socket, "create_connection", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    found = planned(place, file)
    assert not found.changes, [table for table in found.tables if table.differs]
    assert (len(found.runs), found.pages) == (4, 5 + 5 + 4 + 1)
    done = headrace.replay("made", destination=place.url)
    assert done.requests == 0
    now = contents(place)
    for name in (
        "appended",
        "logged",
        "merged",
        "merged_removed",
        "kept",
        "replaced",
        "synced",
        "historic",
        "children",
    ):
        assert now[name] == stood[name], name
    assert len(api.asked) == asked


def test_a_row_that_would_count_as_removed_is_a_difference(place: Place, api: Api) -> None:
    serve(api, ITEMS)
    every = {"table": "items", "key": ["id"], "columns": {"id": "id"}, "removals": {"max_share": 1.0}}
    place.run(place.file(config(every)))
    serve(api, [item | {"owner": {"team": "t1"}} if item["id"] == 3 else item for item in ITEMS])
    place.run(place.file(config(every)))
    where = {**every, "where": {"owner.team": {"ne": "t1"}}}
    (items,) = planned(place, place.file(config(where))).tables
    assert (items.removed, items.changed, items.values) == (4, 1, {"(removed)": 1})
    (row,) = [row for row in items.examples if row.kind == "changed"]
    assert (row.key, row.values) == ({"id": "3"}, {"(removed)": ("false", "true")})


def test_the_command_says_it_and_its_exit_code_too(place: Place, api: Api, capfd: pytest.CaptureFixture[str]) -> None:
    serve(api, ITEMS)
    same = place.file(config(BEFORE))
    place.run(same)
    other = place.folder / "other.yml"
    other.write_text(same.read_text().replace('"name": "name"', '"name": "name", "team": "owner.team"'))

    def replay(*more: str) -> tuple[int, str]:
        given = ["replay", "made", "--plan", "--destination", place.url, *more]
        capfd.readouterr()
        code = guarded(lambda: cli.main(given, standalone_mode=False, obj={}), given, {})
        return code, capfd.readouterr().out

    code, text = replay("--file", str(same))
    assert code == 0
    assert text.splitlines()[1:] == ["items: nothing (12 rows)", "Nothing was written"]
    code, text = replay("--file", str(other))
    assert code == 4
    assert "items: 12 rows -> 12 rows (0 added, 0 removed, 12 changed)" in text
    assert "column   + team string" in text
    assert "~ id=0  team: null -> t0" in text
    assert "Nothing was written: leave out --plan to do it" in text
    code, text = replay("--file", str(other), "--json")
    document = json.loads(text)
    assert (code, document["status"], document["exit_code"]) == (4, "changes", 4)
    assert document["tables"]["items"]["values"] == {"team": 12}
    assert len(document["tables"]["items"]["examples"]) == 10
    code, text = replay("--file", str(same), "--json")
    assert (code, json.loads(text)["status"]) == (0, "unchanged")


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(headrace.HeadraceError, match="there is no"):
        headrace.replay("made", destination=f"sqlite:///{tmp_path}/none.db", plan=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "found",
    [
        {"added": 1},
        {"removed": 1},
        {"changed": 1},
        {"rejected": (0, 1)},
        {"columns_added": {"a": "int"}},
        {"columns_dropped": {"a": "int"}},
        {"types": {"a": ("int", "string")}},
    ],
    ids=lambda found: next(iter(found)),
)
def test_only_what_differs_counts_as_a_change(found: Mapping[str, Any]) -> None:
    assert not TableDifference("t", (3, 3)).differs
    assert TableDifference("t", (3, 3), **found).differs
