"""A stop, or an end at once, at every event of a sliced crawl with a window."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from headrace.core.errors import Interrupted
from headrace.core.events import BatchCommitted, Event, PageFetched, RequestSent, RunStarted, StepStarted

SLICES, PAGES, WINDOW = 3, 4, 3
STAGES = (RunStarted, StepStarted, RequestSent, PageFetched, BatchCommitted)


class At:
    """Strikes at the ``nth`` event: once (a stop), or twice (an end at once)."""

    def __init__(self, nth: int, *, twice: bool) -> None:
        self.left, self.twice = nth, twice

    @contextmanager
    def listening(self, stop: asyncio.Event, *_: object) -> Iterator[None]:
        self.stop, self.task = stop, asyncio.current_task()
        yield

    def emit(self, event: Event) -> None:
        if isinstance(event, STAGES):
            self.left -= 1
            if self.left == 0:
                self.stop.set()
                if self.twice and self.task is not None:
                    self.task.cancel()


@pytest.mark.parametrize("twice", [False, True], ids=["stop", "at once"])
def test_it_goes_on_as_if_nothing_had_been(place: Any, api: Any, monkeypatch: pytest.MonkeyPatch, twice: bool) -> None:
    def answer(path: str, query: Mapping[str, str]) -> Any:
        page = int(query["page"])
        return {"data": [{"id": f"{path}/{page}/{n}"} for n in range(2)] if page <= PAGES else []}

    api.answer = answer
    file = place.file(
        {
            "url": "/{slice.name}",
            "slices": {"each": {"name": [f"s{n}" for n in range(SLICES)]}, "concurrency": 2},
            "pagination": {"type": "page"},
            "rate_limit": {"requests_per_second": 10_000, "concurrency": WINDOW},
            "commit_every": 0.01,
            "tables": [{"table": "t", "columns": {"id": "id"}}],
        },
        {"url": "/after", "pagination": {"type": "page"}, "tables": [{"table": "u", "columns": {"id": "id"}}]},
    )
    runs = ended = 0
    while not ended:
        runs += 1
        strike = At(6 * runs, twice=twice)
        api.asked.clear()
        with monkeypatch.context() as patch:
            patch.setattr("headrace.runner.api.stopping", strike.listening)
            try:
                status = place.run(file, run_id=f"r{runs}", sinks=[strike]).status
            except Interrupted:
                status = "interrupted"
        ended = strike.left > 0
        assert status == "done" or not ended
        assert place.run(file, run_id=f"r{runs}").status == "done"
        times = Counter(asked for asked in api.asked if not asked.endswith(f"page={PAGES + 2}"))
        assert set(place.column("SELECT count(*) FROM t GROUP BY id")) == {runs}, f"{runs}: {times}"
        assert set(place.column("SELECT count(*) FROM u GROUP BY id")) == {runs}
        assert place.column("SELECT count(DISTINCT id) FROM t") == [SLICES * PAGES * 2]
        assert sum(times.values()) - len(times) <= 2 * WINDOW + 1, times
    assert runs > 4


def test_answers_that_come_early_are_bounded_in_bytes(place: Any, api: Any) -> None:
    """Thirty may be in flight, but not thirty of three megabytes each."""
    many, ahead = threading.Event(), []

    def answer(path: str, query: Mapping[str, str]) -> Any:
        page = int(query["page"])
        if len(api.asked) >= 30:
            many.set()
        if page == 2:
            many.wait(0.5)
            ahead.append(len(api.asked))
        return {"data": [{"id": page, "text": "x" * 3_000_000}] if page <= 12 else []}

    api.answer = answer
    limit = {"requests_per_second": 10_000, "concurrency": 30}
    file = place.file(
        {
            "url": "/big",
            "pagination": {"type": "page"},
            "rate_limit": limit,
            "tables": [{"table": "t", "columns": {"id": "id"}}],
        }
    )
    assert place.run(file).status == "done"
    assert ahead[0] <= 10
    assert place.column("SELECT count(*) FROM t") == [12]
