"""Who looks at a run sees no older state than the one that they brought about."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from headrace.service.hub import Hub
from headrace.state.progress.contract import Request


class Slow:
    """A store whose first answer is on its way until ``go``."""

    def __init__(self) -> None:
        self.status: Any = "queued"
        self.asked, self.go = threading.Event(), threading.Event()

    def get(self, request_id: str) -> Request:
        found = Request(request_id, "p", status=self.status)
        if not self.asked.is_set():
            self.asked.set()
            assert self.go.wait(60)
        return found


async def test_what_was_read_before_a_change_is_not_given_after_it() -> None:
    store = Slow()
    hub = Hub(store)  # type: ignore[arg-type]  # only get is used
    hub.start()
    early = asyncio.create_task(hub.look("r"))
    await asyncio.to_thread(store.asked.wait, 60)
    store.status = "cancelled"
    hub.poke("r")
    late = asyncio.create_task(hub.look("r"))
    # One that waits for the early one's answer would wait for ever.
    waiting = asyncio.get_running_loop().call_later(30, store.go.set)
    found = await late
    assert not store.go.is_set()
    waiting.cancel()
    store.go.set()
    assert found is not None
    assert found.request.status == "cancelled"
    assert (await early) is not None
    again = await hub.look("r")
    assert again is not None
    assert again.request.status == "cancelled"
