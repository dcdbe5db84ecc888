"""Processes made by forking one that has imported everything: a start costs a tenth.

:func:`main` is that process. It gets a JSON line and a descriptor for stderr over the socket whose number is its
argument, forks, and answers ``pid N``, ``stopped`` where the process stops itself, and ``exit CODE``.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from queue import Empty, Queue
from typing import Any

_PRELOADED = (
    "aiohttp", "duckdb", "pyarrow", "pytz", "sqlite3", "headrace.cli.run", "headrace.destinations.duckdb",
    "headrace.destinations.postgresql", "headrace.destinations.sqlite", "headrace.runner.api", "headrace.runner.engine",
    "headrace.runner.telemetry.log", "headrace.sources.http", "headrace.steps.generic.api_extractor",
    "headrace.crawl.extract", "headrace.mapping.fast", "headrace.mapping.slow", "psycopg",
)  # fmt: skip


class Zygote:
    """The process that forks, from outside. Runs one process at a time."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair()
        code = "import sys; from headrace.testing.crash.zygote import main; sys.exit(main())"
        words = [sys.executable, "-c", code, str(theirs.fileno())]
        self._process = subprocess.Popen(words, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        theirs.close()
        self._lines = self._ours.makefile("r")

    def start(self, module: str, arguments: Sequence[str], environment: Mapping[str, str], stderr: int) -> Forked:
        """Run ``python -m module arguments`` in a fork."""
        order = json.dumps({"module": module, "arguments": list(arguments), "environment": dict(environment)})
        socket.send_fds(self._ours, [order.encode() + b"\n"], [stderr])
        return Forked(int(self._answer().removeprefix("pid ")), self)

    def _answer(self) -> str:
        line = self._lines.readline()
        if not line:
            raise RuntimeError("the process that forks is gone")
        return line.strip()

    def close(self) -> None:
        self._lines.close()
        self._ours.close()
        self._process.wait()


class Forked:
    """A process that a zygote made, with the methods of :class:`subprocess.Popen` that are needed."""

    def __init__(self, pid: int, zygote: Zygote) -> None:
        self.pid = pid
        self._answers: Queue[str] = Queue()
        self._code: int | None = None
        self._thread = threading.Thread(target=self._listen, args=(zygote,), daemon=True)
        self._thread.start()

    def _listen(self, zygote: Zygote) -> None:
        answer = ""
        while not answer.startswith("exit"):
            answer = zygote._answer()
            self._answers.put(answer)

    def _take(self, timeout: float | None) -> str:
        answer = self._answers.get(timeout=timeout) if timeout is None or timeout > 0 else self._answers.get_nowait()
        if answer.startswith("exit"):
            self._code = int(answer.removeprefix("exit "))
        return answer

    def stopped(self) -> bool:
        """Wait until the process has stopped itself; false when it ended instead."""
        return self._code is None and self._take(None) == "stopped"

    def poll(self) -> int | None:
        while self._code is None:
            try:
                self._take(0)
            except Empty:
                return None
        return self._code

    def wait(self, timeout: float | None = None) -> int:
        while self._code is None:
            try:
                self._take(timeout)
            except Empty:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0) from None
        return self._code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Pool:
    """Zygotes that wait for work."""

    def __init__(self) -> None:
        self._idle: Queue[Zygote] = Queue()
        self._all: list[Zygote] = []

    @contextmanager
    def one(self) -> Iterator[Zygote]:
        try:
            found = self._idle.get_nowait()
        except Empty:
            found = Zygote()
            self._all.append(found)
        try:
            yield found
        finally:
            self._idle.put(found)

    def close(self) -> None:
        for each in self._all:
            each.close()


pool: Pool | None = None


@contextmanager
def warm() -> Iterator[None]:
    """Within the block, runs are forked from a process that has imported everything."""
    global pool
    if pool is not None:
        yield
        return
    pool = Pool()
    try:
        yield
    finally:
        pool.close()
        pool = None


def main() -> int:
    """Fork at each order until the socket closes; in the fork, become what was ordered."""
    for name in _PRELOADED:
        importlib.import_module(name)
    channel = socket.socket(fileno=int(sys.argv[1]))
    while True:
        data, descriptors, _, _ = socket.recv_fds(channel, 1 << 20, 1)
        if not data:
            return 0
        order = json.loads(data)
        pid = os.fork()
        if pid == 0:
            channel.close()
            return _become(order, descriptors[0])
        os.close(descriptors[0])
        channel.sendall(f"pid {pid}\n".encode())
        status = os.waitpid(pid, os.WUNTRACED)[1]
        while os.WIFSTOPPED(status):
            channel.sendall(b"stopped\n")
            status = os.waitpid(pid, os.WUNTRACED)[1]
        channel.sendall(f"exit {os.waitstatus_to_exitcode(status)}\n".encode())


def _become(order: Mapping[str, Any], stderr: int) -> int:
    from headrace.core import faults

    os.environ.update(order["environment"])
    os.dup2(stderr, 2)
    os.close(stderr)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    importlib.reload(faults)  # which reads the environment
    sys.argv = ["headrace", *order["arguments"]]
    try:
        importlib.import_module(str(order["module"])).main()
    except SystemExit as over:
        return over.code if isinstance(over.code, int) else int(over.code is not None)
    return 0
