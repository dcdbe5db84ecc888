"""A destination session on a thread of its own, shared by everything in a run that needs it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager
from typing import TypeVar

from headrace.core.contracts import Destination, Session

T = TypeVar("T")


class SessionThread:
    """Runs work on one session, one piece after the other, always on the same thread."""

    def __init__(self, destination: Destination, executor: Executor) -> None:
        self.capabilities = destination.capabilities()
        self._executor = executor
        self._session: Session | None = None
        self._held: AbstractContextManager[Session] | None = None

    async def call(self, work: Callable[[Session], T]) -> T:
        """Run ``work`` after whatever was asked before; a cancelled caller does not cut it short."""
        session = self._session
        assert session is not None, "the session is not open"
        return await self._on_thread(lambda: work(session))

    async def _on_thread(self, work: Callable[[], T]) -> T:
        # A commit that has begun must end before anything else is done with the session, so
        # cancellation waits for it.
        future = asyncio.get_running_loop().run_in_executor(self._executor, work)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait({future})
            raise

    async def open(self, destination: Destination) -> None:
        self._held = destination.open()
        self._session = await self._on_thread(self._held.__enter__)

    async def close(self) -> None:
        held, self._held, self._session = self._held, None, None
        if held is not None:
            await self._on_thread(lambda: held.__exit__(None, None, None))


@asynccontextmanager
async def open_session(destination: Destination) -> AsyncIterator[SessionThread]:
    """Open ``destination`` on a new thread and close both at the end."""
    with ThreadPoolExecutor(1, "headrace-session") as executor:
        thread = SessionThread(destination, executor)
        await thread.open(destination)
        try:
            yield thread
        finally:
            await thread.close()
