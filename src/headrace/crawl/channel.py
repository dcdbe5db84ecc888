"""The way from the fetch loops to the writer: in order, and bounded in bytes over all streams."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Channel(Generic[T]):
    """A queue whose senders wait while more than ``bound`` bytes are on their way.

    Bytes count from :meth:`put` until :meth:`release`, that is until they are committed. A single item
    larger than the bound passes when nothing else is on its way.
    """

    def __init__(self, bound: int, size: Callable[[T], int]) -> None:
        self._bound = bound
        self._size = size
        self._items: deque[T] = deque()
        self._bytes = 0
        self._waiting: list[int] = []
        """Bytes of the items that have no room yet."""
        self._room = asyncio.Condition()
        self._arrived = asyncio.Event()
        self.closed = False

    @property
    def starved(self) -> bool:
        """Senders are waiting for room: what is in hand should be committed now."""
        return bool(self._waiting) and not self._fits(min(self._waiting))

    async def put(self, item: T) -> None:
        size = self._size(item)
        async with self._room:
            if not self._fits(size):
                self._waiting.append(size)
                self._arrived.set()
                try:
                    await self._room.wait_for(lambda: self._fits(size))
                finally:
                    self._waiting.remove(size)
            self._bytes += size
        self._items.append(item)
        self._arrived.set()

    def _fits(self, size: int) -> bool:
        return self._bytes == 0 or self._bytes + size <= self._bound

    def close(self) -> None:
        """No more items will come."""
        self.closed = True
        self._arrived.set()

    def take(self) -> T | None:
        """The next item if one is there."""
        if not self._items:
            if not self.closed:
                self._arrived.clear()
            return None
        return self._items.popleft()

    async def arrival(self, within: float | None) -> None:
        """Return when an item is there, the channel is closed, a sender waits, or after ``within`` seconds."""
        if self._items or (self.closed and within is None):
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._arrived.wait()

    @property
    def drained(self) -> bool:
        return self.closed and not self._items

    async def release(self, items: list[T]) -> None:
        """Make room: these items are committed, or given up."""
        async with self._room:
            self._bytes -= sum(self._size(item) for item in items)
            self._room.notify_all()
