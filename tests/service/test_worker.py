"""The pool of runs: how it waits, and for what."""

from __future__ import annotations

import threading
from typing import Any

from headrace.service.config import ServiceConfig


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
