"""Slices that fail, stop and come back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from headrace.core.errors import HeadraceError
from headrace.core.events import Event, PageFetched


def sliced(names: Any, **more: Any) -> dict[str, Any]:
    return {
        "url": "/{slice.name}",
        "slices": {"each": {"name": names}, "concurrency": 1, "retry": 0},
        "tables": [{"table": "t", "columns": {"id": "id"}}],
        **more,
    }


class Interrupt:
    """A request to stop at the very moment at which the first page has come."""

    @contextmanager
    def listening(self, stop: asyncio.Event, *_: object) -> Iterator[None]:
        self.stop = stop
        yield

    def emit(self, event: Event) -> None:
        if isinstance(event, PageFetched):
            self.stop.set()


def test_a_failed_slice_that_a_stop_left_out_is_not_forgotten(
    place: Any, api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = {"/b", "/d"}

    def answer(path: str, query: Mapping[str, str]) -> Any:
        return (400, {}) if path in bad else {"data": [{"id": path}]}

    api.answer = answer
    file = place.file(sliced(["a", "b", "c", "d"]))
    assert place.run(file, run_id="r").status == "failed"
    bad.clear()
    interrupt = Interrupt()
    with monkeypatch.context() as patch:
        patch.setattr("headrace.runner.api.stopping", interrupt.listening)
        assert place.run(file, run_id="r", sinks=[interrupt]).status == "interrupted", "/d is still missing"
    assert place.resume("r").status == "done"
    assert sorted(place.column("SELECT id FROM t")) == ["/a", "/b", "/c", "/d"]


def test_pages_of_a_failed_attempt_are_neither_lost_nor_doubled(place: Any, api: Any) -> None:
    """The attempt after it goes on behind the last page sent, whether that is committed by now or not."""
    failures = {"3": 1, "5": 2}

    def answer(path: str, query: Mapping[str, str]) -> Any:
        page = query["page"]
        if failures.get(page, 0) and path == "/a":
            failures[page] -= 1
            return (400, {})
        return {"data": [{"id": f"{path}{page}"}] if int(page) < 8 else []}

    api.answer = answer
    config = sliced(["a", "b"], pagination={"type": "page"})
    config["slices"] |= {"retry": 1, "concurrency": 2}
    file = place.file(config)
    assert place.run(file, run_id="r").status == "failed", "page 5 fails twice, beyond the attempt that page 3 took"
    assert place.resume("r").status == "done"
    assert sorted(place.column("SELECT id FROM t")) == sorted(f"/{s}{n}" for s in "ab" for n in range(1, 8))
    assert [api.asked.count(f"/a?page={n}") for n in range(1, 9)] == [1, 1, 2, 1, 3, 1, 1, 1]


def test_many_failed_slices_make_a_short_report(place: Any, api: Any) -> None:
    api.answer = lambda path, query: (400, {})
    result = place.run(place.file(sliced([f"s{n}" for n in range(60)])))
    assert result.status == "failed"
    assert result.error.startswith("60 slices failed")
    assert len(result.error.splitlines()) < 25


@pytest.mark.parametrize("each", [{"name": ["x", "x"]}, {"name": ["a/b", "a"], "more": ["c", "b/c"]}])
def test_slices_of_one_name_are_refused_by_name(place: Any, api: Any, each: dict[str, list[str]]) -> None:
    config = sliced([])
    config["slices"]["each"] = each
    with pytest.raises(HeadraceError, match=r"slice.*('x'|'a/b/c')"):
        place.run(place.file(config))


def test_more_slices_than_one_chunk_come_out_of_a_query(place: Any, api: Any) -> None:
    """They are frozen while the query is still being read."""
    api.answer = lambda path, query: (400, {})
    config = sliced([], rate_limit={"requests_per_second": 10_000, "budget": 1, "max_retries": 0})
    config["slices"] = {"rows": "SELECT range AS name FROM range(25000)", "concurrency": 1, "retry": 0}
    assert place.run(place.file(config), run_id="r").status == "failed"
    assert place.column("SELECT count(*) FROM headrace_slices WHERE run_id = 'r'") == [25_000]
    assert place.column("SELECT count(*) FROM headrace_slices WHERE name = CAST(position AS VARCHAR)") == [25_000]
