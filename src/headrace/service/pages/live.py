"""Server-sent events whose data are pieces of pages."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Any

from starlette.requests import HTTPConnection
from starlette.responses import Response, StreamingResponse

from headrace.service.security import while_admitted
from headrace.state.progress.contract import Request

EVERY = 1.0
"""Seconds between looks at the list of runs."""
KEEP_ALIVE = 15.0
"""Seconds after which a silent stream says that it lives."""
RATE_OVER = 5_000_000
"""Microseconds that a rate is taken over."""


@dataclass(frozen=True, slots=True)
class Rate:
    """What a second brings."""

    rows: float
    requests: float


class Pace:
    """How fast a run goes, from what was seen of it lately."""

    def __init__(self) -> None:
        self._seen: deque[tuple[int, int, int]] = deque()

    def add(self, request: Request, now: int) -> Rate | None:
        """The rate as of ``now`` (microseconds); ``None`` until a second of it has been seen."""
        self._seen.append((now, request.rows, request.requests))
        while len(self._seen) > 2 and self._seen[1][0] <= now - RATE_OVER:
            self._seen.popleft()
        first, rows, requests = self._seen[0]
        seconds = (now - first) / 1_000_000
        if seconds < 1 or request.status != "running":
            return None
        return Rate(max(0, request.rows - rows) / seconds, max(0, request.requests - requests) / seconds)


def stream(connection: HTTPConnection, messages: AsyncIterator[bytes], closing: asyncio.Event) -> Response:
    """``messages`` as a response that ends with them, when the client goes or its key is revoked, or when the service
    stops."""
    return StreamingResponse(
        while_admitted(connection, _alive(messages, closing)), media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )  # fmt: skip


def message(event: str, data: str, number: int | None = None) -> bytes:
    """One event; ``number`` is where the client goes on after a lost connection."""
    head = f"id: {number}\n" if number is not None else ""
    body = "\n".join(f"data: {line}" for line in data.splitlines() or [""])
    return f"{head}event: {event}\n{body}\n\n".encode()


async def _alive(messages: AsyncIterator[bytes], closing: asyncio.Event) -> AsyncGenerator[bytes]:
    ended = asyncio.ensure_future(closing.wait())
    upcoming: asyncio.Future[bytes | None] | None = None
    try:
        while not closing.is_set():
            upcoming = upcoming or asyncio.ensure_future(_next(messages))
            either: set[asyncio.Future[Any]] = {upcoming, ended}
            await asyncio.wait(either, timeout=KEEP_ALIVE, return_when=asyncio.FIRST_COMPLETED)
            if not upcoming.done():
                yield b": alive\n\n"
                continue
            found, upcoming = upcoming.result(), None
            if found is None:
                return
            yield found
    finally:
        left: list[asyncio.Future[Any]] = [ended, *([upcoming] if upcoming is not None else [])]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        if hasattr(messages, "aclose"):
            await messages.aclose()


async def _next(messages: AsyncIterator[bytes]) -> bytes | None:
    return await anext(messages, None)
