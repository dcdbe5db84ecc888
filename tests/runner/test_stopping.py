"""A run that another thread asks to end."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from headrace.core.errors import Interrupted
from headrace.core.events import Event, PageFetched
from headrace.runner.api import Settings, drive, prepare
from headrace.runner.result import RunResult
from headrace.runner.stopping import Stop
from headrace.state.store import StateStore


@pytest.fixture
def file(place: Any, api: Any) -> Path:
    def answer(path: str, query: Mapping[str, str]) -> Any:
        page = int(query["page"])
        return {"data": [{"id": f"{page}-{n}"} for n in range(2)] if page <= 5 else []}

    api.answer = answer
    tables = [{"table": "t", "key": ["id"], "columns": {"id": "id"}}]
    found: Path = place.file({"url": "/items", "pagination": {"type": "page"}, "tables": tables})
    return found


def run(place: Any, file: Path, stop: Stop, *sinks: Any) -> RunResult:
    prepared = prepare(file, run_id="r", destination=place.url)
    with StateStore.open(place.state) as store:
        return drive(prepared.job, prepared.destination, store, Settings(state=place.state, sinks=sinks, stop=stop))


def test_asked_before_it_began_it_makes_no_request(place: Any, api: Any, file: Path) -> None:
    stop = Stop()
    stop.ask()
    assert run(place, file, stop).status == "interrupted"
    assert api.asked == []
    assert run(place, file, Stop()).status == "done"


class From:
    """Calls from a thread of its own when the second page is there."""

    def __init__(self, call: Any) -> None:
        self.call = call

    def emit(self, event: Event) -> None:
        if isinstance(event, PageFetched) and event.page_number == 2:
            thread = threading.Thread(target=self.call)
            thread.start()
            thread.join()


def test_what_is_fetched_is_committed_and_the_rest_comes_later(place: Any, api: Any, file: Path) -> None:
    stop = Stop()
    result = run(place, file, stop, From(stop.ask))
    assert result.status == "interrupted"
    assert result.pages >= 2
    assert run(place, file, Stop()).status == "done"
    assert sorted(place.column("SELECT count(*) FROM t")) == [10]


def test_at_once_it_raises(place: Any, api: Any, file: Path) -> None:
    stop = Stop()
    with pytest.raises(Interrupted, match="at once"):
        run(place, file, stop, From(stop.at_once))
    assert run(place, file, Stop()).status == "done"
    assert place.column("SELECT count(*) FROM t") == [10]
