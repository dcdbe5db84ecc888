"""How a run is asked to end before its end: by a signal, or from another thread."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


class Stop:
    """Asks a run to stop, from any thread and at any time; also before it has begun.

    :meth:`ask`: what is fetched is committed, and the result's status is ``interrupted``. :meth:`at_once`: the run
    raises Interrupted as soon as the statement that the database is at is over.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked = self._hard = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._event: asyncio.Event | None = None
        self._task: asyncio.Task[object] | None = None

    def ask(self) -> None:
        self._tell(hard=False)

    def at_once(self) -> None:
        self._tell(hard=True)

    @contextmanager
    def listening(self, event: asyncio.Event) -> Iterator[None]:
        """Within the run: ``event`` is set when it is asked for; the current task is cancelled when at once."""
        with self._lock:
            self._loop, self._event, self._task = asyncio.get_running_loop(), event, asyncio.current_task()
        if self._asked:
            self._now()
        try:
            yield
        finally:
            with self._lock:
                self._loop = self._event = self._task = None

    def _tell(self, *, hard: bool) -> None:
        with self._lock:
            self._asked, self._hard = True, self._hard or hard
            loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):  # the loop has just been closed: the run is over
                loop.call_soon_threadsafe(self._now)

    def _now(self) -> None:
        if self._event is not None:
            self._event.set()
        if self._hard and self._task is not None:
            self._task.cancel()


@contextmanager
def stopping(stop: asyncio.Event, asked: Stop, tell: Callable[[], None]) -> Iterator[None]:
    """While it is open, ``asked`` sets ``stop``; on the main thread so does the first Ctrl-C or SIGTERM, and the
    second ends the run at once (nothing committed is lost)."""
    with asked.listening(stop):
        if threading.current_thread() is not threading.main_thread() or os.name == "nt":
            yield
            return

        def ask() -> None:
            if stop.is_set():
                asked.at_once()
                return
            stop.set()
            tell()

        loop = asyncio.get_running_loop()
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(name, ask)
        try:
            yield
        finally:
            for name in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(name)
