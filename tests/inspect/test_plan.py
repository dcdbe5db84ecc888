"""A plan names what the run then does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import headrace
from headrace.destinations import from_url
from headrace.inspect.plan import RunPlan, make_run_plan
from headrace.pipeline.load import load
from headrace.sandbox.options import Options
from headrace.sandbox.thread import Sandbox, run_in_thread

HOST = "streaming-availability.p.rapidapi.com"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with run_in_thread(Options(titles=60)) as served:
        yield served


def planned(url: str, **params: str) -> RunPlan:
    loaded = load("sapi", params=params, destination=url, environ={})
    return make_run_plan(loaded, from_url(url))


@pytest.mark.parametrize("scheme", ["duckdb", "sqlite"])
def test_the_statements_are_those_that_the_run_executes(sandbox: Sandbox, tmp_path: Path, scheme: str) -> None:
    url = f"{scheme}:///{tmp_path}/x.db"
    before = planned(url)
    assert not (tmp_path / "x.db").exists()
    created = {text.split('"')[1] for step in before.steps for text in step.statements if text.startswith("CREATE")}
    headrace.run("sapi", destination=url, rewrite={HOST: sandbox.url}, state=tmp_path / "s", secrets={"SAPI": "x" * 9})
    with from_url(url).open(read_only=True) as session:
        sql = "SELECT table_name FROM information_schema.tables" if scheme == "duckdb" else (
            "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"
        )  # fmt: skip
        there = {str(value) for batch in session.query(sql) for value in batch.column(0).to_pylist()}
    assert created == {name for name in there if not name.startswith(("headrace_", "sqlite_"))}
    after = planned(url)
    assert after.steps[0].statements == []
    assert after.last is not None
    assert after.steps[0].requests.startswith("about 3 ")
    assert planned(url, country="de").last is None, "another country is another scope"


def test_the_first_request_is_the_one_that_is_sent(sandbox: Sandbox, tmp_path: Path) -> None:
    url = f"duckdb:///{tmp_path}/x.db"
    first = planned(url).steps[0].request
    assert first is not None
    headrace.run("sapi", destination=url, rewrite={HOST: sandbox.url}, state=tmp_path / "s", secrets={"SAPI": "x" * 9})
    with from_url(url).open(read_only=True) as session:
        assert next(iter(session.raw_pages("sapi_raw_pages", page_number=1))).url == first.url


def test_a_destination_that_cannot_be_opened_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("no database at all" * 300, encoding="utf-8")
    found = planned(f"duckdb:///{tmp_path}/x.db")
    assert "cannot be looked at" in found.database
    assert found.steps[0].statements
