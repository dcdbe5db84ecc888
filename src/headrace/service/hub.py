"""Who watches a run: one reader of the store for all listeners of a request."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

from headrace.core.errors import StateError
from headrace.service.views import view
from headrace.state.progress.contract import ENDED, MAX_EVENTS, ProgressStore, Request

POLL = 0.5
"""Seconds between looks at the store while nobody says that something has changed (another instance runs it)."""
FRESH = 0.1
"""Seconds that an answer of the store may be given again, while nobody says that something has changed."""
_MOST_KEPT = 1_000


class Shown:
    """A request, with the JSON that clients get; that is made once for all of them."""

    def __init__(self, request: Request) -> None:
        self.request = request

    @cached_property
    def json(self) -> bytes:
        return view(self.request).model_dump_json().encode()


class News:
    """What is new of a request: its events in order, with their numbers, and how it stands."""

    def __init__(self, shown: Shown, events: Sequence[tuple[int, dict[str, Any]]] = ()) -> None:
        self.shown, self.events = shown, events

    @property
    def request(self) -> Request:
        return self.shown.request

    @cached_property
    def messages(self) -> bytes:
        """The same as server-sent events: each event under its number, then ``status``, and ``end`` after the last."""
        parts = [_message(str(event.get("type", "event")), _compact(event), number) for number, event in self.events]
        parts.append(_message("status", self.shown.json))
        if self.request.status in ENDED:
            parts.append(_message("end", _compact({"status": self.request.status})))
        return b"".join(parts)


def _message(kind: str, data: bytes, number: int | None = None) -> bytes:
    head = f"id: {number}\n" if number is not None else ""
    return f"{head}event: {kind}\ndata: ".encode() + data + b"\n\n"


def _compact(data: Any) -> bytes:
    return json.dumps(data, separators=(",", ":")).encode()


@dataclass(slots=True)
class _Watched:
    shown: Shown
    events: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    version: int = 0
    news: dict[int, News] = field(default_factory=dict)
    """Of this version, by the last event that a listener has: most have the same."""
    listeners: int = 0
    poked: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    def since(self, number: int) -> News:
        if number not in self.news:
            self.news[number] = News(self.shown, [pair for pair in self.events if pair[0] > number])
        return self.news[number]

    def publish(self) -> None:
        self.version += 1
        self.news = {}
        self.changed.set()
        self.changed = asyncio.Event()


class Hub:
    """Used on the service's event loop; only :meth:`poke` and :meth:`close_soon` may come from another thread."""

    def __init__(self, store: ProgressStore) -> None:
        self._store = store
        self._watched: dict[str, _Watched] = {}
        self._kept: dict[str, tuple[float, Shown]] = {}
        self._reading: dict[str, asyncio.Task[Shown | None]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self.closing = asyncio.Event()

    def start(self) -> None:
        """Within the loop that the service runs on."""
        self._loop = asyncio.get_running_loop()
        self.closing = asyncio.Event()

    def poke(self, request_id: str) -> None:
        """Something of ``request_id`` has changed in the store."""
        # Also what is being read just now: it may have been read before the change.
        self._reading.pop(request_id, None)
        self._kept.pop(request_id, None)
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

    async def look(self, request_id: str) -> Shown | None:
        """The request as it stands, no older than FRESH: many who ask at once cost the store one answer. Raises
        StateError."""
        at, shown = self._kept.get(request_id, (0.0, None))
        if shown is not None and time.monotonic() - at < FRESH:
            return shown
        reading = self._reading.get(request_id)
        if reading is None:
            reading = self._reading[request_id] = asyncio.create_task(self._look(request_id))
            reading.add_done_callback(partial(self._read_ended, request_id))
        return await asyncio.shield(reading)

    async def _look(self, request_id: str) -> Shown | None:
        at = time.monotonic()
        found = await asyncio.to_thread(self._store.get, request_id)
        if found is None:
            return None
        shown = Shown(found)
        if self._reading.get(request_id) is asyncio.current_task():  # else it has changed since
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[request_id] = (at, shown)
        return shown

    def _read_ended(self, request_id: str, task: asyncio.Task[Shown | None]) -> None:
        if self._reading.get(request_id) is task:
            del self._reading[request_id]

    async def follow(self, request: Request, *, after: int = 0, idle: float | None = None) -> AsyncGenerator[News]:
        """News of ``request``, the first at once, the last when it has ended or the service stops. Events that number
        ``after`` or less are left out. After ``idle`` seconds without any, the last comes again without events."""
        watched = self._watched.get(request.request_id)
        if watched is None:
            watched = self._watched[request.request_id] = _Watched(Shown(request))
            watched.task = asyncio.create_task(self._watch(watched))
        watched.listeners += 1
        try:
            seen = 0
            while True:
                changed = watched.changed
                if watched.version > seen:
                    seen = watched.version
                    news = watched.since(after)
                    after = news.events[-1][0] if news.events else after
                    yield news
                    if news.request.status in ENDED:
                        return
                    if watched.version > seen:
                        continue
                if self.closing.is_set():
                    return
                try:
                    async with asyncio.timeout(idle):
                        await changed.wait()
                except TimeoutError:
                    yield News(watched.shown)
        finally:
            watched.listeners -= 1
            if not watched.listeners and watched.task is not None:
                if self._watched.get(request.request_id) is watched:
                    del self._watched[request.request_id]
                watched.task.cancel()

    async def _watch(self, watched: _Watched) -> None:
        while True:
            watched.poked.clear()
            with suppress(StateError):  # away for now: the run goes on, and what it says is kept for later
                last = watched.events[-1][0] if watched.events else 0
                known = watched.shown.request
                request, found = await asyncio.to_thread(self._read, known.request_id, last)
                if request is None:
                    request = known
                if found or not watched.version or _differ(request, known):
                    watched.shown = Shown(request)
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
