"""The pool of runs: how it waits, and for what."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from headrace.core.errors import DestinationBusy
from headrace.service.config import ServiceConfig
from headrace.service.worker import Worker
from headrace.state.progress.contract import ENDED, Request
from headrace.state.progress.sqlite import SqliteProgress


class Counted(threading.Event):
    """Counts how waits ended: by a signal, or by their time."""

    def __init__(self) -> None:
        super().__init__()
        self.signalled = self.timed_out = 0
        self.enough = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        found = super().wait(timeout)
        self.signalled += found
        self.timed_out += not found
        if self.timed_out >= 2 or self.signalled > 100:
            self.enough.set()
        return found


def test_a_full_pool_sleeps_until_there_is_room(config: ServiceConfig, serving: Any, api: Any) -> None:
    api.allow(0)
    with serving(config.model_copy(update={"max_runs": 1})) as running:
        first = running.update()
        api.wait_for("items", 1)
        worker = running.service.worker
        before, worker._wake = worker._wake, Counted()
        before.set()
        second = running.update(destination="lite")  # wakes it, for nothing
        assert worker._wake.enough.wait(60)
        assert worker._wake.signalled <= 3
        assert running.client.get(f"/runs/{second}").json()["status"] == "queued"
        api.allow(None)
        assert running.wait(first)["status"] == "done"
        assert running.wait(second)["status"] == "done"


def test_a_run_that_somebody_else_holds_waits_and_says_so(running: Any, api: Any, config: ServiceConfig) -> None:
    from headrace.destinations import from_url

    with from_url(config.destinations["lite"]).open() as session:
        api.allow(0)
        request_id = running.update(destination="lite")
        api.wait_for("items", 1)
        running.client.post(f"/runs/{request_id}/cancel")
        assert running.wait(request_id)["status"] == "cancelled"
        with session.lease(request_id, "somebody"):
            running.client.post(f"/runs/{request_id}/resume")
            waits = running.wait(request_id, lambda found: found["error"] is not None)
            assert waits["running"]
            assert "waits: " in waits["error"]
        api.allow(None)
        assert running.wait(request_id)["status"] == "done"
        assert running.client.get(f"/runs/{request_id}").json()["error"] is None


def test_one_that_waits_for_a_database_is_cancelled_all_the_same(running: Any, api: Any, config: ServiceConfig) -> None:
    from headrace.destinations import from_url

    api.allow(0)
    request_id = running.update(destination="lite")
    api.wait_for("items", 1)
    running.client.post(f"/runs/{request_id}/cancel")
    assert running.wait(request_id)["status"] == "cancelled"
    with from_url(config.destinations["lite"]).open() as session, session.lease(request_id, "somebody"):
        running.client.post(f"/runs/{request_id}/resume")
        running.wait(request_id, lambda found: found["error"] is not None)
        running.client.post(f"/runs/{request_id}/cancel")
        assert running.wait(request_id)["status"] == "cancelled"


class Slow(SqliteProgress):
    """Answers that a run has ended only once it has been queued and claimed again."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.again = threading.Event()
        self.ended = threading.Event()

    def update(self, request_id: str, owner: str, **changes: Any) -> bool:
        made = super().update(request_id, owner, **changes)
        if changes.get("status") in ENDED and not self.ended.is_set():
            self.ended.set()
            assert self.reopen(request_id)
            assert self.again.wait(60)
        return made

    def claim(self, owner: str, *, lease_seconds: float) -> Request | None:
        found = super().claim(owner, lease_seconds=lease_seconds)
        if found is None and self.ended.is_set():  # it has been claimed, and whatever becomes of that has been decided
            self.again.set()
        return found


def test_one_that_is_resumed_in_the_instant_of_its_end_begins_at_once(config: ServiceConfig, serving: Any) -> None:
    config = config.model_copy(update={"lease_seconds": 600})
    with closing(Slow(config.state / "slow.db")) as store, serving(config, store=store) as running:  # type: ignore[operator]  # it is set
        request_id = running.update()
        assert store.again.wait(60)
        assert running.wait(request_id)["status"] == "done"


def test_a_defect_costs_one_turn_and_not_the_thread(
    config: ServiceConfig, serving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(SqliteProgress(config.state / "odd.db")) as store, serving(config, store=store) as running:  # type: ignore[operator]  # it is set
        for method in ("claim", "beat"):
            real, failed = getattr(store, method), threading.Event()

            def broken(*given: Any, real: Any = real, failed: Any = failed, **more: Any) -> Any:
                if not failed.is_set():
                    failed.set()
                    raise RuntimeError("can't start new thread")
                return real(*given, **more)

            monkeypatch.setattr(store, method, broken)
            assert failed.wait(60)
        threads = running.service.worker._threads
        assert running.wait(running.update())["status"] == "done"
        assert all(thread.is_alive() for thread in threads)


def test_those_that_wait_for_a_database_do_not_keep_the_pool_from_others(
    config: ServiceConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headrace.service.worker.HELD_PAUSE", 0.01)
    begun = threading.Event()

    def prepare(request: Request) -> Any:
        if request.pipeline == "other":
            begun.set()
        raise DestinationBusy("held", place="")

    with closing(SqliteProgress(config.state / "held.db")) as store:  # type: ignore[operator]  # it is set
        store.create(Request("r1", "held"))
        store.create(Request("r2", "other"))
        worker = Worker(config.model_copy(update={"max_runs": 1}), store, prepare, lambda _: None)
        worker.start()
        try:
            assert begun.wait(60)
        finally:
            assert worker.drain(60)


def test_asking_for_a_run_that_goes_on_to_be_resumed_changes_nothing(running: Any, api: Any) -> None:
    api.allow(0)
    request_id = running.update(max_pages=2)
    api.wait_for("items", 1)
    answer = running.client.post(f"/runs/{request_id}/resume", json={"max_pages": 1})
    assert answer.status_code == 409
    assert running.service.store.document("again", request_id) is None
    api.allow(None)
    assert running.wait(request_id)["pages"] == 2


def test_a_paused_run_is_as_far_as_its_pages_are(running: Any, api: Any) -> None:
    request_id = running.update(max_pages=1)
    paused = running.wait(request_id)
    assert (paused["status"], paused["progress"]) == ("partial", 20)
    running.client.post(f"/runs/{request_id}/resume")
    assert running.wait(request_id)["progress"] == 100
