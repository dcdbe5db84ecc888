"""What a run says of itself: counts that go on after a stop, and events that are not drowned by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from headrace.core import events
from headrace.core.errors import StateError
from headrace.service.progress import Reporter
from headrace.state.progress.contract import MAX_EVENTS, Request
from headrace.state.progress.sqlite import SqliteProgress

STEPS = [("shows", "Fetching shows"), ("cast", "Fetching cast")]


def claimed(store: SqliteProgress) -> Request:
    found = store.claim("me", lease_seconds=60)
    assert found is not None
    return found


def page(number: int, *, total: int | None = None) -> list[events.Event]:
    return [
        events.RequestSent("r", "shows", "http://api", 200, 0.1),
        events.PageFetched("r", "shows", "", number, 10, 100, False),
        events.BatchCommitted("r", "shows", 1, {"shows": 10}, None, number, 0.1, total),
    ]


def test_counts_go_on_where_a_stopped_run_was(tmp_path: Path) -> None:
    store = SqliteProgress(tmp_path / "service.db")
    try:
        store.create(Request("r", "p", scope="s"))
        for first, last in ((1, 3), (4, 5)):
            request = claimed(store)
            reporter = Reporter("r")
            reporter.expect(STEPS, None, request)
            reporter.emit(events.StepStarted("r", "shows", "Fetching shows"))
            for number in range(first, last + 1):
                for event in page(number, total=100):
                    reporter.emit(event)
            assert reporter.flush(store, "me")
            store.give_back("r", "me")
        found = store.get("r")
        assert found is not None
        assert (found.rows, found.pages, found.requests) == (50, 5, 5)
        assert found.detail["steps"][0]["rows"] == {"shows": 50}
        assert found.detail["steps"][0]["records"] == 50
        assert found.progress == 25
    finally:
        store.close()


def test_what_people_have_to_read_is_not_pushed_out_by_counts(tmp_path: Path) -> None:
    store = SqliteProgress(tmp_path / "service.db")
    try:
        store.create(Request("r", "p", scope="s"))
        reporter = Reporter("r")
        reporter.expect(STEPS, None, claimed(store))
        reporter.emit(events.StepStarted("r", "shows", "Fetching shows"))
        reporter.emit(events.Suspicion("r", "shows", "too few", "look"))
        for number in range(1, MAX_EVENTS + 200):
            for event in page(number):
                reporter.emit(event)
            reporter.flush(store, "me")
        assert "Suspicion" in [event["type"] for _, event in store.events("r")]
    finally:
        store.close()


class Mute(SqliteProgress):
    """Takes events, and now and then its answer is lost on the way, or it is away before it has taken them."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.calls = 0

    def append_events(self, request_id: str, batch: Sequence[Mapping[str, Any]]) -> int:
        if not batch:
            return super().append_events(request_id, batch)
        self.calls += 1
        if self.calls % 3 == 2:
            raise StateError("away")
        made = super().append_events(request_id, batch)
        if self.calls % 3 == 0:
            raise StateError("no answer")
        return made


def test_an_answer_that_is_lost_doubles_no_event(tmp_path: Path) -> None:
    store = Mute(tmp_path / "service.db")
    try:
        store.create(Request("r", "p", scope="s"))
        reporter = Reporter("r")
        reporter.expect(STEPS, None, claimed(store))
        for number in range(60):
            reporter.emit(events.Suspicion("r", "shows", f"{number}", ""))
            with suppress(StateError):
                reporter.flush(store, "me")
        while True:
            try:
                reporter.flush(store, "me")
                break
            except StateError:
                pass
        kept = [event["seen"] for _, event in store.events("r", limit=1_000) if event["type"] == "Suspicion"]
        assert kept == [str(number) for number in range(60)]
    finally:
        store.close()
