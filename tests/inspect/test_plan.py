"""A plan names what the run then does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from tests.runner.conftest import Api, Place, api, place

import headrace
from headrace.core.clock import SystemClock
from headrace.core.tables import StreamKey
from headrace.crawl import extract
from headrace.crawl.context import RunContext
from headrace.crawl.plan import CrawlPlan, CrawlResult
from headrace.destinations import from_url
from headrace.inspect.plan import RunPlan, make_run_plan
from headrace.inspect.steps import NOT_YET
from headrace.runner.api import prepare
from headrace.sandbox.options import Options
from headrace.sandbox.thread import Sandbox, run_in_thread

__all__ = ["api", "place"]  # fixtures
HOST = "streaming-availability.p.rapidapi.com"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with run_in_thread(Options(titles=60)) as served:
        yield served


def planned(url: str, **params: str) -> RunPlan:
    return plan_of("sapi", url, params=params)


def plan_of(pipeline: str | Path, url: str, **options: Any) -> RunPlan:
    prepared = prepare(pipeline, run_id=NOT_YET, destination=url, **options)
    return make_run_plan(prepared.job, prepared.destination)


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


class FixedClock(SystemClock):
    """One moment for the plan and for the run, so that what depends on it can be compared."""

    def now(self) -> int:
        return 1_750_000_000_000_000


def steps(place: Place) -> Path:
    paging = {"type": "cursor", "param": "cursor", "response_path": "next"}
    items = {
        "url": "/items", "pagination": paging,
        "incremental": {"param": "since", "cursor_path": "at", "start": "2020-01-01", "lookback": "1d"},
        "tables": [{"table": "items", "key": ["id"], "columns": {"id": "id", "at": "at"}}],
    }  # fmt: skip
    parts = {
        "url": "/parts/{slice.kind}", "params": {"q": "{q}", "day": "{now}"}, "pagination": paging, "max_pages": 7,
        "slices": {"each": {"kind": ["a", "b"]}, "concurrency": 1, "retry": 0},
        "tables": [{"table": "parts", "key": ["id"], "columns": {"id": "id"}, "removals": {"after_missing": 3}}],
    }  # fmt: skip
    return place.file(items, parts, inputs={"q": {"type": "string", "required": False}})


def test_the_plan_is_what_the_run_executes(place: Place, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every part of every crawl, what it begins from, the requests, the tables and the record of the run; the second
    time after a run that completed its first step and failed in its second."""
    clock = FixedClock()
    monkeypatch.setattr("headrace.inspect.plan.SystemClock", FixedClock)
    executed: list[tuple[CrawlPlan, RunContext]] = []
    crawl = extract.crawl

    async def watched(plan: CrawlPlan, ctx: RunContext) -> CrawlResult:
        executed.append((plan, ctx))
        return await crawl(plan, ctx)

    monkeypatch.setattr(extract, "crawl", watched)
    broken = False

    def answer(path: str, query: Mapping[str, str]) -> Any:
        if broken and path == "/parts/b":
            return 500, {}
        return {"data": [{"id": 1, "at": "2024-05-0" + ("2" if broken else "1") + "T00:00:00Z"}], "next": None}

    api.answer = answer
    file = steps(place)
    for number in range(3):
        broken = number == 1
        planned = plan_of(file, place.url, params={"q": "x"})
        executed.clear()
        api.asked.clear()
        try:
            place.run(file, params={"q": "x"}, run_id=f"run-{number}", clock=clock)
        except headrace.HeadraceError:
            assert broken
        with from_url(place.url).open(read_only=True) as session:
            record = session.run(f"run-{number}")
            assert record is not None
            ended = session.checkpoint(StreamKey(record.run_id, "a", extract.FINISHED))
            assert ended is not None
            job = planned.job
            for name in ("params", "org", "scope", "request_hash", "mapping_hash"):
                assert getattr(record, name) == getattr(job, name), name
            assert json.dumps(record.resolved) == json.dumps(job.resolved)
            for step, (plan, ctx) in zip(planned.steps, executed, strict=True):
                same_crawl(step.crawl, plan, ctx)
                assert step.last == ctx.last_complete(step.step)
                assert step.request is not None
                asked = next(
                    path for path in api.asked if path.startswith(f"/{'items' if step.step == 'a' else 'parts'}")
                )
                assert step.request.url == api.url + asked
                for table in step.tables:
                    assert set(table.spec.columns) <= set(session.columns(table.spec.name))
    last = planned.steps[0].last
    assert last is not None
    assert last.run_id == "run-1", "its first step was complete, whatever became of the second"
    assert planned.steps[0].incremental == "since: from '2024-05-01T00:00:00Z', where the last complete crawl ended"
    assert planned.last is not None
    assert planned.last.run_id == "run-0"


def same_crawl(planned: CrawlPlan, executed: CrawlPlan, ctx: RunContext) -> None:
    """Field by field; what is called is compared by what it gives."""

    def lookup(name: str) -> Any:
        return {"slice.kind": "a", "incremental.mark": "m"}.get(name) or ctx.lookup(name)

    for field in fields(CrawlPlan):
        ours, theirs = getattr(planned, field.name), getattr(executed, field.name)
        if field.name == "request":
            assert ours(lookup) == theirs(lookup)
        elif field.name == "slices" and ours is not None:
            nothing: Any = None
            assert list(ours.freeze(nothing)) == list(theirs.freeze(nothing))
            assert (ours.concurrency, ours.retry) == (theirs.concurrency, theirs.retry)
        else:
            assert ours == theirs, field.name


def test_chosen_steps_are_planned_alone(place: Place) -> None:
    planned = plan_of(steps(place), place.url, from_step="b")
    assert [step.step for step in planned.steps] == ["b"]
    with pytest.raises(headrace.HeadraceError, match="no step 'c'"):
        plan_of(steps(place), place.url, steps=["c"])


def test_a_plan_refuses_what_a_run_refuses(place: Place) -> None:
    both = {"url": "/items", "tables": [{"table": "t", "write": "merge", "columns": {"id": "id"}}]}
    with pytest.raises(headrace.HeadraceError) as planned:
        plan_of(place.file(both), place.url)
    with pytest.raises(headrace.HeadraceError) as run:
        place.run(place.file(both))
    assert str(planned.value) == str(run.value)
