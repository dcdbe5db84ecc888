"""What goes wrong for people, and what they are told: no traceback, a place, and what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Invoke = Callable[..., Any]
Snapshot = Callable[[str, str], None]
Pipeline = Callable[..., str]
Api = tuple[str, dict[str, tuple[int, str, bytes]]]

JSON = "application/json"


def give(api: Api, body: bytes | object, status: int = 200, kind: str = JSON) -> None:
    api[1]["/items"] = (status, kind, body if isinstance(body, bytes) else json.dumps(body).encode())


def rows(invoke: Invoke, sql: str) -> Any:
    return json.loads(invoke("query", sql, "--format", "json").out)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("not-a-mapping", "just text\n"),
        ("empty", ""),
        (
            "unknown-key",
            "steps:\n  - step: a\n    procesor: generic.api_extractor\n    config: {url: https://a.example/x}\n",
        ),
        (
            "wrong-type",
            "steps:\n  - step: a\n    processor: generic.api_extractor\n"
            "    config: {url: https://a.example/x, timeout: soon, destination: {table: t}}\n",
        ),
        (
            "unquoted-variable",
            "inputs: {genre: {type: string}}\nsteps:\n  - step: a\n    processor: generic.api_extractor\n"
            "    config: {url: https://a.example/x, params: {genre: {genre}}, destination: {table: t}}\n",
        ),
    ],
)
def test_bad_files(invoke: Invoke, snapshot: Snapshot, home: Path, name: str, text: str) -> None:
    (home / "my.yml").write_text(text, encoding="utf-8")
    checked, run = invoke("check", "my.yml"), invoke("run", "my.yml")
    assert (checked.code, checked.err) == (2, "")
    assert (run.code, run.out) == (2, "")
    for line in run.err.splitlines():
        assert line in checked.out, "run and check say the same"
    snapshot(f"file-{name}", checked.out)
    found = invoke("check", "my.yml", "--json")
    assert (found.json["status"], found.json["exit_code"], found.code) == ("failed", 2, 2)
    assert found.json["problems"]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("no-such-pipeline", ("run", "sappi")),
        ("unknown-input", ("run", "sapi", "--contry", "de")),
        ("misspelt-option", ("run", "sapi", "--max-page", "3")),
        ("input-first", ("run", "--country", "de", "sapi")),
        ("no-such-step", ("run", "sapi", "--step", "crawll")),
        ("bad-rewrite", ("run", "sapi", "--rewrite", "nonsense")),
        ("bad-param", ("run", "sapi", "--param", "country")),
        ("bad-destination", ("run", "sapi", "--destination", "duckbd:///x.duckdb")),
        ("no-file-in-destination", ("run", "sapi", "--destination", "duckdb://")),
        ("unknown-run", ("resume", "nope")),
        ("unknown-run-status", ("status", "nope")),
        ("no-run-yet", ("status",)),
        ("no-database", ("query", "SELECT 1")),
        ("raw-without-database", ("raw", "nope", "--page", "1")),
        ("replay-nothing", ("replay", "nope", "--destination", "duckdb:///:memory:")),
        ("purge-two", ("purge", "--removed", "t", "--older-than", "3d")),
    ],
)
def test_bad_arguments(invoke: Invoke, snapshot: Snapshot, name: str, arguments: tuple[str, ...]) -> None:
    said = invoke(*arguments)
    assert said.code in (1, 2)
    assert (said.out, "Traceback" in said.err) == ("", False)
    snapshot(f"error-{name}", said.err)


def test_a_missing_input_is_named(invoke: Invoke, snapshot: Snapshot, pipeline: Pipeline) -> None:
    said = invoke("run", pipeline(params={"since": "{since}", "kind": "{kind}"}))
    assert said.code == 2
    snapshot("error-missing-input", said.err)


def test_a_missing_credential_lists_where_it_was_looked_for(
    invoke: Invoke, snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SAPI_API_KEY")
    said = invoke("run", "sapi")
    assert said.code == 2
    snapshot("error-missing-credential", said.err)


def test_a_destination_that_is_no_database(invoke: Invoke, snapshot: Snapshot, home: Path) -> None:
    (home / "notes.txt").write_text("not a database, but long enough to be looked at" * 100, encoding="utf-8")
    for scheme in ("duckdb", "sqlite"):
        said = invoke("run", "sapi", "--destination", f"{scheme}:///notes.txt")
        assert (said.code, "Traceback" in said.err) == (1, False)
        snapshot(f"error-no-{scheme}", said.err)


@pytest.mark.parametrize(
    ("name", "status", "kind", "body", "config"),
    [
        ("data-path", 200, JSON, {"results": [{"id": 1}], "next": None}, {}),
        (
            "cursor-path", 200, JSON, {"items": [{"id": 1}], "meta": {"next": "b"}},
            {"pagination": {"type": "cursor", "param": "after", "response_path": "meta.next_cursor"}},
        ),
        ("html", 200, "text/html", b"<html><body>Please log in</body></html>", {}),
        ("unauthorised", 401, JSON, {"message": "bad key"}, {}),
        ("not-found", 404, JSON, {"message": "no such thing"}, {}),
        ("server-error", 500, JSON, {"message": "oops"}, {}),
        ("cut-json", 200, JSON, b'{"items": [{"id": 1}, {"id"', {}),
    ],
)  # fmt: skip
def test_bad_answers(
    invoke: Invoke, snapshot: Snapshot, pipeline: Pipeline, api: Api, name: str, status: int, kind: str, body: Any,
    config: dict[str, Any],
) -> None:  # fmt: skip
    give(api, body, status, kind)
    file = pipeline(**config)
    said = invoke("run", file, "--run-id", "r1")
    assert (said.code, said.out, "Traceback" in said.err) == (1, "", False)
    snapshot(f"answer-{name}", said.err)
    assert invoke("status", "r1", "--json").json["status"] == "failed"
    shown = invoke("preview", file)
    assert shown.code == 1
    assert "REQUEST" in shown.out, "a preview shows what was asked also when it fails"
    assert shown.err.startswith("error: ")


def test_a_failed_run_says_so_in_one_json_document(invoke: Invoke, pipeline: Pipeline, api: Api) -> None:
    give(api, {"message": "oops"}, 500)
    said = invoke("run", pipeline(), "--run-id", "r1", "--json")
    assert said.code == 1
    found = said.json
    assert (found["status"], found["exit_code"], found["run_id"]) == ("failed", 1, "r1")
    assert "answered 500" in found["error"]
    assert invoke("run", "my.yml", "--nope", "x", "--json").json["exit_code"] == 2
    assert invoke("status", "--nope", "--json").json["exit_code"] == 2, "also when the options cannot be read"


def test_a_column_may_be_called_anything(invoke: Invoke, pipeline: Pipeline, api: Api) -> None:
    give(api, {"items": [{"id": 1, "x": "a"}]})
    evil = 'x"; DROP TABLE items; --'
    table = {"table": "items", "key": ["id"], "columns": {"id": "id", evil: "x"}}
    assert invoke("run", pipeline(tables=[table])).code == 0
    assert rows(invoke, "SELECT * FROM items") == [{"id": 1, evil: "a"}]


def test_a_record_that_is_no_object_is_kept_with_its_reason(invoke: Invoke, pipeline: Pipeline, api: Api) -> None:
    give(api, {"items": [{"id": 1, "name": "a"}, 7, "text", None, {"id": 2}]})
    said = invoke("run", pipeline())
    assert said.code == 0
    assert "kept in items_rejected" in said.err
    assert [r["id"] for r in rows(invoke, "SELECT id FROM items ORDER BY id")] == [1, 2]
    assert len(rows(invoke, "SELECT reason FROM items_rejected")) == 3


def test_an_empty_api_is_done_with_no_rows(invoke: Invoke, pipeline: Pipeline, api: Api) -> None:
    give(api, {"items": []})
    said = invoke("run", pipeline())
    assert said.code == 0
    assert "the API had no record" in said.out


def test_then_nothing_where_there_was_something_is_suspect(invoke: Invoke, pipeline: Pipeline, api: Api) -> None:
    give(api, {"items": [{"id": 1, "name": "a"}]})
    assert invoke("run", pipeline()).code == 0
    give(api, {"items": []})
    said = invoke("run", "my.yml", "--run-id", "r2")
    assert said.code == 3
    assert "next headrace accept r2" in said.out
    assert "RUN_ID" not in said.out + said.err
    assert invoke("run", "my.yml", "--run-id", "r2").code == 3, "it stays suspect"
    accepted = invoke("accept", "r2")
    assert (accepted.code, accepted.out) == (0, "r2 is done\n")


def test_texts_and_numbers_that_break_others(invoke: Invoke, pipeline: Pipeline, api: Api) -> None:
    body = (
        b'{"items": [{"id": 1, "name": "nul \\u0000 inside"}, {"id": 2, "name": "half \\ud83d an emoji"},'
        b' {"id": 3, "name": "bad \xff byte"}, {"id": 9007199254740993, "name": "exact"}]}'
    )
    give(api, body)
    said = invoke("run", pipeline())
    assert (said.code, "Traceback" in said.err) == (0, False)
    stored = rows(invoke, "SELECT id FROM items ORDER BY id")
    assert {"id": 9007199254740993} in stored
    lost = rows(invoke, "SELECT count(*) AS n FROM items_rejected")[0]["n"]
    assert len(stored) + lost == 4, "nothing is dropped in silence"


def test_a_page_of_many_records(invoke: Invoke, pipeline: Pipeline, api: Api) -> None:
    give(api, {"items": [{"id": i, "name": f"name {i}"} for i in range(100_000)]})
    said = invoke("run", pipeline(), "--json")
    assert said.json["rows"] == {"items": 100_000}


def test_an_unexpected_error_says_where_and_shows_no_data(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, snapshot: Snapshot
) -> None:
    def broken(*args: Any, **more: Any) -> None:
        raise KeyError("a secret of the user")

    monkeypatch.setattr("headrace.pipeline.check.check_draft", broken)
    said = invoke("check", "sapi")
    assert said.code == 1
    assert said.err.startswith("internal error: KeyError at ")
    assert "secret" not in said.err
    assert "Traceback" not in said.err
    monkeypatch.setenv("HEADRACE_DEBUG", "1")
    assert "Traceback" in invoke("check", "sapi").err
    assert invoke("check", "sapi", "--json").json["exit_code"] == 1


def test_rows_that_go_all_at_once_wait_for_a_person(invoke: Invoke, pipeline: Pipeline, api: Api) -> None:
    give(api, {"items": [{"id": i, "name": "x"} for i in range(10)]})
    assert invoke("run", pipeline()).code == 0
    give(api, {"items": [{"id": i, "name": "x"} for i in range(4)]})
    for run_id, verdict in (("r2", "reject"), ("r3", "confirm")):
        said = invoke("run", "my.yml", "--run-id", run_id)
        assert said.code == 0
        assert "6 of 10 rows of items are gone at once: held back" in said.err
        listed = invoke("removals", "list", "--held").out
        assert f"decide: headrace removals confirm items {run_id}" in listed
        assert len(rows(invoke, "SELECT id FROM items_current")) == 10
        decided = invoke("removals", verdict, "items", run_id)
        assert (decided.code, decided.out.startswith("6 rows of items ")) == (0, True)
    assert len(rows(invoke, "SELECT id FROM items_current")) == 4
    assert len(rows(invoke, "SELECT id FROM items_removed")) == 6
    asked = invoke("purge", "--removed", "items")
    assert (asked.code, "will delete 6 removed rows of items" in asked.err) == (2, True)
    assert invoke("purge", "--removed", "items", "--yes").out.startswith("deleted 6 removed rows")
    assert len(rows(invoke, "SELECT id FROM items")) == 4


def test_going_on_needs_the_same_options() -> None:
    """The line that says how to go on has to work as it stands: requests must not go to another host then."""
    from headrace.cli._options import again

    assert again((), None, None) == ""
    assert again(("a.example=http://127.0.0.1:1",), Path("my keys.env"), Path("st")) == (
        " --rewrite a.example=http://127.0.0.1:1 --secrets-file 'my keys.env' --state st"
    )
