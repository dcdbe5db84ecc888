"""A sandbox in a thread of this process, for tests and notebooks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from headrace.sandbox.faults import Rule
from headrace.sandbox.options import Options
from headrace.sandbox.server import Server

T = TypeVar("T")


class Sandbox:
    """A running sandbox: :attr:`url`, and what ``/__stats``, ``/__faults`` and ``/__reset`` do, without HTTP."""

    def __init__(self, server: Server, loop: asyncio.AbstractEventLoop) -> None:
        self.server, self._loop = server, loop
        self.url = server.url
        self.options = server.options

    def _call(self, what: Callable[[], T]) -> T:
        async def run() -> T:
            return what()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(30)

    def stats(self) -> dict[str, Any]:
        return self._call(self.server.stats.as_dict)

    def reset(self) -> None:
        self._call(self.server.reset)

    def fault(self, fault: str, **rule: Any) -> None:
        """Set a rule, as ``POST /__faults`` does. Raises RuleError."""
        made = Rule({"fault": fault, **rule})
        self._call(lambda: self.server.rules.append(made))

    def clear_faults(self) -> None:
        self._call(self.server.rules.clear)


@contextmanager
def run_in_thread(options: Options | None = None, *, host: str = "127.0.0.1", port: int = 0) -> Iterator[Sandbox]:
    """Serve until the block ends. Raises what :func:`~headrace.sandbox.serve.serve` raises."""
    server = Server(options)
    started: list[Sandbox | BaseException] = []
    ready = threading.Event()
    over: list[Callable[[], object]] = []

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        try:
            await server.start(host, port)
        except BaseException as error:
            started.append(error)
            ready.set()
            return
        over.append(lambda: loop.call_soon_threadsafe(stop.set))
        started.append(Sandbox(server, loop))
        ready.set()
        await stop.wait()
        await server.close()

    thread = threading.Thread(target=lambda: asyncio.run(main()), name="headrace-sandbox", daemon=True)
    thread.start()
    ready.wait()
    if isinstance(started[0], BaseException):
        raise started[0]
    try:
        yield started[0]
    finally:
        over[0]()
        thread.join(30)
