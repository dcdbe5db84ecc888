"""Who watches a run: one reader of the store for all listeners of a request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from headrace.core.errors import StateError
from headrace.state.progress.contract import ENDED, MAX_EVENTS, ProgressStore, Request

POLL = 0.5
"""Seconds between looks at the store while nobody says that something has changed (another instance runs it)."""


@dataclass(frozen=True, slots=True)
class News:
    """What is new of a request: its events in order, with their numbers, and how it stands."""

    request: Request
    events: tuple[tuple[int, dict[str, Any]], ...] = ()


@dataclass(slots=True)
class _Watched:
    request: Request
    events: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    version: int = 0
    listeners: int = 0
    poked: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    def publish(self) -> None:
        self.version += 1
        self.changed.set()
        self.changed = asyncio.Event()


class Hub:
    """Used on the service's event loop; only :meth:`poke` and :meth:`close_soon` may come from another thread."""

    def __init__(self, store: ProgressStore) -> None:
        self._store = store
        self._watched: dict[str, _Watched] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self.closing = asyncio.Event()

    def start(self) -> None:
        """Within the loop that the service runs on."""
        self._loop = asyncio.get_running_loop()
        self.closing = asyncio.Event()

    def poke(self, request_id: str) -> None:
        """Something of ``request_id`` has changed in the store."""
        watched = self._watched.get(request_id)
        if watched is not None and self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(watched.poked.set)

    def close_soon(self) -> None:
        """End all streams: the service is about to stop."""
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._close)

    def _close(self) -> None:
        self.closing.set()
        for watched in self._watched.values():
            watched.publish()

    async def follow(self, request: Request, *, after: int = 0) -> AsyncGenerator[News]:
        """News of ``request``, the first at once, the last when it has ended or the service stops. Events that number
        ``after`` or less are left out."""
        watched = self._watched.get(request.request_id)
        if watched is None:
            watched = self._watched[request.request_id] = _Watched(request)
            watched.task = asyncio.create_task(self._watch(watched))
        watched.listeners += 1
        try:
            seen = -1
            while True:
                changed = watched.changed
                if watched.version > max(seen, 0):
                    seen = watched.version
                    found = tuple(pair for pair in watched.events if pair[0] > after)
                    after = found[-1][0] if found else after
                    now = watched.request
                    yield News(now, found)
                    if now.status in ENDED:
                        return
                if self.closing.is_set():
                    return
                await changed.wait()
        finally:
            watched.listeners -= 1
            if not watched.listeners and watched.task is not None:
                self._watched.pop(request.request_id, None)
                watched.task.cancel()

    async def _watch(self, watched: _Watched) -> None:
        while True:
            watched.poked.clear()
            with suppress(StateError):  # away for now: the run goes on, and what it says is kept for later
                last = watched.events[-1][0] if watched.events else 0
                request, found = await asyncio.to_thread(self._read, watched.request.request_id, last)
                if request is None:
                    request = watched.request
                if found or not watched.version or _differ(request, watched.request):
                    watched.request = request
                    watched.events = [*watched.events, *found][-MAX_EVENTS:]
                    watched.publish()
            with suppress(TimeoutError):
                await asyncio.wait_for(watched.poked.wait(), POLL)

    def _read(self, request_id: str, after: int) -> tuple[Request | None, list[tuple[int, dict[str, Any]]]]:
        # The request first: events that come between the two are then no news without their cause.
        request = self._store.get(request_id)
        found: list[tuple[int, dict[str, Any]]] = []
        while len(batch := self._store.events(request_id, after=found[-1][0] if found else after)) >= 500:
            found += batch
        return request, [*found, *batch]


def _differ(new: Request, old: Request) -> bool:
    return (new.status, new.step, new.progress, new.updated_at) != (old.status, old.step, old.progress, old.updated_at)
