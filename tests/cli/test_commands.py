"""What each command prints of one finished crawl."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import headrace
from headrace.sandbox.thread import Sandbox

Invoke = Callable[..., Any]
Snapshot = Callable[[str, str], None]

HOST = "streaming-availability.p.rapidapi.com"


@pytest.fixture(scope="module")
def made(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one crawl of the built-in pipeline in DuckDB and one in SQLite, and their state."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for scheme in ("duckdb", "sqlite"):
            headrace.run(
                "sapi", destination=f"{scheme}:///x.{scheme}", run_id=f"run-{scheme}", state=folder / "state",
                rewrite={HOST: sandbox.url}, secrets={"SAPI": "sandbox-key-of-the-tests"},
            )  # fmt: skip
    return folder


@pytest.fixture(params=["duckdb", "sqlite"])
def place(request: pytest.FixtureRequest, made: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The crawl in one database, copied into the test's own directory; its URL."""
    shutil.copytree(made, home, dirs_exist_ok=True)
    url = f"{request.param}:///x.{request.param}"
    monkeypatch.setenv("HEADRACE_DESTINATION", url)
    return url


@pytest.fixture
def run_id(place: str) -> str:
    return f"run-{place.partition(':')[0]}"


def rows(invoke: Invoke, sql: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(invoke("query", sql, "--format", "json").out)
    return found


def test_raw_is_the_answer_byte_for_byte(invoke: Invoke, place: str, run_id: str) -> None:
    def raw(*more: str) -> bytes:
        program = [sys.executable, "-c", "from headrace.cli import main; main()"]
        return subprocess.run([*program, "raw", run_id, "--page", "2", *more], capture_output=True, check=True).stdout

    stored = rows(invoke, "SELECT sha256, size FROM sapi_raw_pages WHERE page_number = 2")[0]
    body = raw()
    assert (len(body), hashlib.sha256(body).hexdigest()) == (stored["size"], stored["sha256"])
    head, _, rest = raw("--headers").partition(b"\n\n")
    assert rest == body
    assert head.startswith(b"HTTP 200\nurl: https://streaming-availability.p.rapidapi.com/shows/search/filters?")
    assert b"content-type: application/json" in head


def test_raw_says_which_pages_there_are(invoke: Invoke, place: str, run_id: str) -> None:
    said = invoke("raw", run_id, "--page", "99")
    assert (said.code, said.out) == (2, "")
    assert "it has pages 1 to 5" in said.err
    assert "did you mean" in invoke("raw", run_id + "x", "--page", "1", "--destination", place).err
    assert (
        "has no extract step 'craw', did you mean 'crawl'?"
        in invoke("raw", run_id, "--page", "1", "--step", "craw").err
    )
    assert "no page 1 of slice 'de'" in invoke("raw", run_id, "--page", "1", "--slice", "de").err


@pytest.mark.parametrize(
    "table", ["sapi_titles", "sapi_offers", "sapi_assets", "sapi_offer_variants", "sapi_offers_history"]
)
def test_why_leads_from_every_table_to_the_record(invoke: Invoke, place: str, run_id: str, table: str) -> None:
    keys = {
        "sapi_titles": ["sapi_id"],
        "sapi_assets": ["sapi_id", "asset_kind"],
        "sapi_offers": ["sapi_id", "country", "service_id", "offer_type"],
        "sapi_offers_history": ["sapi_id", "country", "service_id", "offer_type"],
        "sapi_offer_variants": [
            "sapi_id", "country", "service_id", "offer_type", "addon_id", "quality", "price", "title_page_link",
        ],
    }[table]  # fmt: skip
    row = rows(invoke, f"SELECT * FROM {table} ORDER BY sapi_id DESC LIMIT 1")[0]
    by_name = invoke("why", table, *(f"{key}={row[key]}" for key in keys), "--json")
    assert by_name.code == 0, by_name.err
    found = by_name.json
    assert json.loads(found["bytes"])["id"] == row["sapi_id"]
    page = json.loads(invoke("raw", run_id, "--page", str(found["page"])).out)
    assert page["shows"][found["record"]]["id"] == row["sapi_id"]
    by_order = invoke("why", table, *(str(row[key]) for key in keys))
    assert by_order.code == 0
    assert found["bytes"] in by_order.out
    assert f"run      {run_id} (pipeline sapi, done)" in by_order.out


def test_why_names_what_it_does_not_find(invoke: Invoke, place: str, snapshot: Snapshot) -> None:
    asked = [
        ("sapi_title", "1"), ("sapi_titles", "nope"), ("sapi_titles", "a", "b"), ("sapi_titles", "titel=x"),
        ("sapi_offers", "country=US"),
    ]  # fmt: skip
    said = [invoke("why", *key) for key in asked]
    assert {each.code for each in said} == {2}
    assert not any(each.out for each in said)
    snapshot(f"why-not-found-{place.partition(':')[0]}", "".join(each.err for each in said))


def test_query_formats(invoke: Invoke, place: str) -> None:
    sql = "SELECT sapi_id, title, release_year FROM sapi_titles ORDER BY sapi_id LIMIT 3"
    table = invoke("query", sql)
    assert table.out.splitlines()[0].split() == ["sapi_id", "title", "release_year"]
    assert len(table.out.splitlines()) == 5
    assert table.err == "(3 rows)\n"
    asked = invoke("query", sql, "--format", "json").json
    lines = [json.loads(line) for line in invoke("query", sql, "--format", "jsonl").out.splitlines()]
    read = list(csv.DictReader(io.StringIO(invoke("query", sql, "--format", "csv").out)))
    assert asked == lines
    assert read == [{k: str(v) for k, v in row.items()} for row in lines]
    short = invoke("query", sql, "--limit", "2")
    assert len(short.out.splitlines()) == 4
    assert short.err == "(the first 2 rows; --limit 0 shows all)\n"
    assert len(invoke("query", sql, "--limit", "1", "--format", "jsonl").out.splitlines()) == 1
    assert len(invoke("query", "SELECT * FROM sapi_assets").out.splitlines()) == 102


def test_query_of_nothing_and_of_terminal_commands(invoke: Invoke, place: str) -> None:
    empty = "SELECT sapi_id FROM sapi_titles WHERE 1 = 0"
    assert invoke("query", empty).err == "(0 rows)\n"
    assert invoke("query", empty, "--format", "json").json == []
    esc = "chr(27)" if place.startswith("duckdb") else "char(27)"
    said = invoke("query", f"SELECT 'a' || {esc} || '[2J' || 'b' AS x, NULL AS n")
    assert "\x1b" not in said.out
    assert "a\\x1b[2Jb  NULL" in said.out


@pytest.mark.parametrize(
    "sql", ["DELETE FROM sapi_titles", "SELECT nope FROM sapi_titles", "DROP TABLE sapi_titles", "x"]
)
def test_query_changes_nothing(invoke: Invoke, place: str, sql: str) -> None:
    said = invoke("query", sql)
    assert (said.code, said.out, "Traceback" in said.err) == (2, "", False)
    assert rows(invoke, "SELECT count(*) AS n FROM sapi_titles")[0]["n"] > 50


def test_runs_and_status_of_the_state_and_of_the_database(invoke: Invoke, place: str, run_id: str, home: Path) -> None:
    listed = invoke("runs", "--json").json["runs"]
    assert {run["run_id"] for run in listed} == {"run-duckdb", "run-sqlite"}
    assert all(run["status"] == "done" and run["percent"] == 100 for run in listed)
    shown = invoke("status", run_id).out
    assert re.match(
        rf"{run_id}: done\n  pipeline     sapi\n  step         crawl\n  rows         [\d,]+\n  pages        5", shown
    )
    shutil.rmtree(home / "state")
    assert "no runs yet" in invoke("runs").err
    of_database = invoke("runs", "--destination", place, "--json").json["runs"]
    assert [(run["run_id"], run["status"], run["pages"]) for run in of_database] == [(run_id, "done", 5)]
    assert invoke("status", run_id).out.startswith(f"{run_id}: done\n")


def test_replay_gives_the_same_rows_without_a_request(invoke: Invoke, place: str, sandbox: Sandbox) -> None:
    before = rows(invoke, "SELECT * FROM sapi_offers ORDER BY sapi_id, service_id, offer_type")
    sandbox.reset()
    said = invoke("replay", "sapi", "--json", "--destination", place)
    assert (said.code, said.json["pages"], said.json["requests"]) == (0, 5, 0)
    assert sandbox.stats()["requests"] == 0
    assert rows(invoke, "SELECT * FROM sapi_offers ORDER BY sapi_id, service_id, offer_type") == before
    assert "Rebuilt from 5 archived pages of 1 run, without a request" in invoke("replay", "sapi").out
    wrong = invoke("replay", "sapy")
    assert (wrong.code, "did you mean 'sapi'?" in wrong.err) == (2, True)


def test_removals(invoke: Invoke, place: str, run_id: str) -> None:
    assert invoke("removals", "list").err == "no run has found rows gone\n"
    assert invoke("removals", "list", "--json").json["removals"] == []
    said = invoke("removals", "confirm", "sapi_titles", run_id)
    assert (said.code, said.out) == (2, "")
    assert "nothing of run" in said.err


def test_schema_history(invoke: Invoke, place: str) -> None:
    found = invoke("schema", "history", "sapi_titles", "--json").json["history"]
    assert [each["column"] for each in found][:2] == ["sapi_id", "imdb_id"]
    assert "release_year" in invoke("schema", "history", "sapi_titles").out
    assert "did you mean 'sapi_titles'?" in invoke("schema", "history", "sapi_title").err


def test_purge_asks_and_then_why_says_what_is_missing(invoke: Invoke, place: str, run_id: str) -> None:
    nothing = invoke("purge")
    assert (nothing.code, "--older-than 30d" in nothing.err) == (2, True)
    assert invoke("purge", "--older-than", "1d").out == "no archived answers to delete\n"
    asked = invoke("purge", "--run", run_id, "--destination", place)
    assert asked.code == 2
    assert "will delete 5 archived answers of sapi_raw_pages" in asked.err
    assert "add --yes" in asked.err
    page = ("raw", run_id, "--page", "1", "--destination", place)
    assert invoke(*page).code == 0, "nothing was deleted yet"
    said = invoke("purge", "--run", run_id, "--yes", "--destination", place)
    assert said.out == "deleted 5 archived answers; `headrace vacuum` gives the bytes back\n"
    for command in (page, ("why", "sapi_titles", "1000"), ("replay", "sapi")):
        gone = invoke(*command)
        assert (gone.code, gone.out, "purged" in gone.err) == (1, "", True), command
    assert invoke("purge", "--older-than", "soon").code == 2
    assert invoke("vacuum").code == 0


def test_purge_of_removed_rows(invoke: Invoke, place: str) -> None:
    assert invoke("purge", "--removed", "sapi_titles").out == "no removed rows to delete\n"
    assert "did you mean 'sapi_titles'?" in invoke("purge", "--removed", "sapi_title").err


def test_plan_before_and_after_the_first_run(invoke: Invoke, place: str, run_id: str) -> None:
    again = invoke("plan", "sapi", "--destination", place)
    assert again.code == 0
    assert "requests   about 5 (as many pages as the last complete run" in again.out
    assert "DDL        none: every table is there, or is files" in again.out
    scheme = place.partition(":")[0]
    first = invoke("plan", "sapi", "--destination", f"{scheme}:///new.db", "--json").json
    assert not Path("new.db").exists(), "a plan makes nothing"
    statements = first["steps"][0]["statements"]
    assert sum(text.startswith('CREATE TABLE IF NOT EXISTS "sapi_titles" ') for text in statements) == 1
    assert first["database"] == "will be made"
    assert {table["state"] for table in first["steps"][0]["tables"]} == {"new"}


def test_check_of_the_built_in_pipeline(invoke: Invoke, snapshot: Snapshot) -> None:
    said = invoke("check", "sapi")
    assert said.code == 0
    snapshot("check-sapi", said.out)
    found = invoke("check", "sapi", "--json").json
    assert (found["status"], found["problems"], len(found["tables"])) == ("ok", [], 5)


def test_new_then_check(invoke: Invoke, snapshot: Snapshot, home: Path) -> None:
    said = invoke("new", "shop.yml", "--from", "template")
    assert said.code == 0
    snapshot("new", said.out)
    checked = invoke("check", "shop.yml")
    assert checked.code == 0
    snapshot("new-check", checked.out)
    text = (home / "shop.yml").read_text(encoding="utf-8")
    assert "pipeline_id: shop\n" in text
    again = invoke("new", "shop.yml", "--from", "template")
    assert again.code == 2
    assert "is there already" in again.err
    assert (home / "shop.yml").read_text(encoding="utf-8") == text


def test_new_from_a_built_in_pipeline(invoke: Invoke, home: Path) -> None:
    from headrace import pipelines

    for name in pipelines.names():
        said = invoke("new", f"{name}.yml", "--from", name)
        assert (said.code, (home / f"{name}.yml").read_bytes()) == (0, pipelines.read(name))
    wrong = invoke("new", "shop.yml", "--from", "hubspott")
    assert wrong.code == 2
    assert "did you mean 'hubspot'?" in wrong.err
    assert "there are: github, hubspot," in wrong.err
    assert not (home / "shop.yml").exists()


def test_preview(invoke: Invoke, sandbox: Sandbox, snapshot: Snapshot, home: Path) -> None:
    said = invoke("preview", "sapi", "--rewrite", f"{HOST}={sandbox.url}", "--rows", "1", "--lines", "3")
    assert said.code == 0
    changing = ("ANSWER", "  x-ratelimit", "  content-length", "    ", "  …")
    kept = [line for line in said.out.splitlines() if not line.startswith(changing)]
    assert "    1000  " in said.out, "rows are shown"
    snapshot("preview", "\n".join(kept) + "\n")
    assert list(home.iterdir()) == [], "a preview writes nothing"
    found = invoke("preview", "sapi", "--rewrite", f"{HOST}={sandbox.url}", "--json").json
    assert (found["records"], found["goes_on"], found["answer"]["status"]) == (20, True, 200)
    assert found["request"]["headers"]["X-RapidAPI-Key"] == "***"


def test_schema_is_json_schema(invoke: Invoke) -> None:
    assert invoke("schema").json["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_sandbox_says_what_to_try(begin: Callable[..., Any]) -> None:
    process = begin("sandbox", "--port", "0", "--titles", "20")
    url = process.popen.stdout.readline().strip()
    lines = [process.popen.stdout.readline() for _ in range(3)]
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
    assert lines[2] == f"  headrace run sapi --rewrite {HOST}={url}\n"
    taken = begin("sandbox", "--port", url.rpartition(":")[2]).end()
    assert taken.code == 2
    assert "--port 0 takes a free one" in taken.err
    process.popen.send_signal(signal.SIGINT)
    assert process.end().code == 130


def test_sandbox_refuses_a_fault_that_it_does_not_have(invoke: Invoke) -> None:
    assert "status_503" in invoke("sandbox", "--list-faults").out
    said = invoke("sandbox", "--port", "0", "--fault", "nope")
    assert (said.code, "Traceback" in said.err) == (2, False)
