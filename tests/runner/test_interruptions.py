"""Budgets, pauses, a rebuild beside an unfinished run, a state folder that goes."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

import headrace
from headrace.core.events import Event, PageFetched


def paged(pages: int, first: int = 0) -> Any:
    def answer(path: str, query: Mapping[str, str]) -> Any:
        page = int(query["page"])
        return {"data": [{"id": first + page}] if page <= pages else []}

    return answer


def config(**more: Any) -> dict[str, Any]:
    return {"url": "/x", "pagination": {"type": "page"}, "tables": [{"table": "t", "columns": {"id": "id"}}], **more}


def limit(**more: Any) -> dict[str, Any]:
    return {"requests_per_second": 10_000, "max_retries": 0, "concurrency": 3, **more}


@pytest.mark.parametrize("sliced", [False, True])
def test_a_budget_is_spent_call_by_call(place: Any, api: Any, sliced: bool) -> None:
    """What was asked ahead and not reached is kept, and paid once."""
    api.answer = paged(10)
    more = {"slices": {"each": {"name": ["a", "b"]}, "concurrency": 2}, "url": "/{slice.name}"} if sliced else {}
    file = place.file(config(rate_limit=limit(budget=4), **more))
    results = [place.run(file, run_id="r")]
    while results[-1].status == "partial" and len(results) < 20:
        results.append(place.run(file, run_id="r"))
    assert results[-1].status == "done"
    assert {result.exit_code for result in results[:-1]} == {3}
    assert all(result.requests <= 4 for result in results)
    assert sorted(place.column("SELECT id FROM t")) == sorted(list(range(1, 11)) * (2 if sliced else 1))
    assert set(Counter(api.asked).values()) == {1}


@pytest.mark.parametrize("pages", [1, 2, 3])
def test_pauses_add_up_to_the_whole(place: Any, api: Any, pages: int) -> None:
    api.answer = lambda path, query: (404, {}) if int(query["page"]) > 7 else paged(7)(path, query)
    file = place.file(config(rate_limit=limit(), end_on=[404]))
    calls = 1
    while (result := place.run(file, run_id="r", max_pages=pages)).status == "partial":
        calls += 1
        assert result.pages == pages
    assert result.status == "done"
    assert calls == 7 // pages + 1
    assert place.column("SELECT id FROM t ORDER BY id") == list(range(1, 8))
    assert max(Counter(api.asked).values()) == 1


def test_a_page_cap_is_partial_for_ever_until_it_is_raised(place: Any, api: Any) -> None:
    api.answer = paged(5)
    for _ in range(2):
        result = place.run(place.file(config(max_pages=3)), run_id="r")
        assert (result.status, result.error) == ("partial", "max_pages was reached")
    assert place.run(place.file(config(max_pages=30)), run_id="r").status == "done"
    assert len(place.column("SELECT id FROM t")) == 5


def test_a_rebuild_beside_an_unfinished_replace(place: Any, api: Any) -> None:
    table = {"table": "t", "columns": {"id": "id"}, "write": "replace"}
    file = place.file(config(tables=[table]))
    api.answer = paged(3, 10)
    assert place.run(file, run_id="one").status == "done"
    api.answer = paged(3, 20)
    assert place.run(file, run_id="two", max_pages=2).status == "partial"
    headrace.replay(str(file), destination=place.url)
    assert sorted(place.column("SELECT id FROM t")) == [11, 12, 13]
    assert place.run(file, run_id="two").status == "done"
    assert sorted(place.column("SELECT id FROM t")) == [21, 22, 23]
    assert [name for name in place.column("SHOW TABLES") if "_new_" in name or "_rebuild" in name] == []


def test_the_state_folder_may_go_at_any_time(place: Any, api: Any) -> None:
    class Gone:
        def emit(self, event: Event) -> None:
            if isinstance(event, PageFetched):
                shutil.rmtree(place.state, ignore_errors=True)

    api.answer = paged(4)
    file = place.file(config(commit_every=0.01))
    assert place.run(file, run_id="r", max_pages=2, sinks=[Gone()]).status == "partial"
    assert place.run(file, run_id="r", sinks=[Gone()]).status == "done"
    assert sorted(place.column("SELECT id FROM t")) == [1, 2, 3, 4]


def test_two_pipelines_share_a_file(place: Any, api: Any) -> None:
    """Their steps and raw tables have the same names; their scopes are their own."""
    api.answer = paged(2)
    one = place.file(config(tables=[{"table": "t", "columns": {"id": "id"}, "key": ["id"]}]), name="one")
    two = place.file(config(tables=[{"table": "u", "columns": {"id": "id"}, "key": ["id"]}]), name="two")
    for file in (one, two, one, two):
        assert place.run(file).status == "done"
    headrace.replay("one", destination=place.url)
    for name in "tu":
        assert sorted(place.column(f"SELECT id FROM {name}_current")) == [1, 2]
