"""``python -m headrace.testing.crash.child run …``: the command line with faults of :class:`Inside` in its process."""

from __future__ import annotations

import errno
import json
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from headrace.core import faults
from headrace.core.clock import SystemClock
from headrace.testing.crash.crawl import INSIDE
from headrace.testing.crash.inside import STRUCK

_QUARTER = 0.25


class Files:
    """Counts operations on the files below ``folder``, and makes the ``nth`` fail.

    Everything that the response cache does goes through these functions of :mod:`os`, also from pathlib.
    """

    BY_PATH = ("open", "mkdir", "unlink", "rmdir", "scandir", "listdir")
    BY_NUMBER = ("write", "pread", "fstat", "close")

    def __init__(self, folder: str, nth: int | None, error: str, struck: Callable[[], None]) -> None:
        self.folder, self.nth, self.error, self.struck = folder, nth, error, struck
        self.count = 0
        self._numbers: set[int] = set()
        self._real: dict[str, Callable[..., Any]] = {}

    def __enter__(self) -> Files:
        for name in (*self.BY_PATH, *self.BY_NUMBER):
            self._real[name] = getattr(os, name)
            setattr(os, name, self._by_path(name) if name in self.BY_PATH else self._by_number(name))
        return self

    def __exit__(self, *_: object) -> None:
        for name, real in self._real.items():
            setattr(os, name, real)

    def _by_path(self, name: str) -> Callable[..., Any]:
        real = self._real[name]

        def patched(path: Any = ".", *args: Any, **kwargs: Any) -> Any:
            ours = not isinstance(path, int) and os.fspath(path).startswith(self.folder)
            if ours:
                self._pass()
            found = real(path, *args, **kwargs)
            if ours and name == "open":
                self._numbers.add(found)
            return found

        return patched

    def _by_number(self, name: str) -> Callable[..., Any]:
        real = self._real[name]

        def patched(number: int, *args: Any, **kwargs: Any) -> Any:
            if number in self._numbers:
                if name == "close":
                    self._numbers.discard(number)
                    real(number)  # Linux frees the number even where close fails
                    return self._pass()
                self._pass()
            return real(number, *args, **kwargs)

        return patched

    def _pass(self) -> None:
        self.count += 1
        if self.count != self.nth:
            return
        if self.error == "KILL":
            os.kill(os.getpid(), signal.SIGKILL)
        self.struck()
        code = getattr(errno, self.error)
        raise OSError(code, os.strerror(code))


class Statements:
    """Counts the statements of SQLite connections to files below ``folder``, and makes the ``nth`` fail."""

    def __init__(self, folder: str, nth: int | None, struck: Callable[[], None]) -> None:
        self.count = 0
        real = sqlite3.connect
        count = self

        class Failing(sqlite3.Connection):
            def execute(self, *args: Any) -> sqlite3.Cursor:
                count.count += 1
                if count.count == nth:
                    struck()
                    raise sqlite3.OperationalError("disk I/O error")
                return super().execute(*args)

        def connect(database: Any, *args: Any, **kwargs: Any) -> sqlite3.Connection:
            if folder in str(database):
                kwargs["factory"] = Failing
            made: sqlite3.Connection = real(database, *args, **kwargs)
            return made

        self._real, self._connect = real, connect

    def __enter__(self) -> Statements:
        sqlite3.connect = self._connect  # type: ignore[assignment]  # a stand-in for the length of a run
        return self

    def __exit__(self, *_: object) -> None:
        sqlite3.connect = self._real


def jump(offsets: list[float]) -> None:
    """Let the wall clock be off by each of ``offsets`` in turn; the monotonic clock goes on as it did."""
    real, began = time.time_ns, time.monotonic()

    def off() -> int:
        turn = int((time.monotonic() - began) / _QUARTER)
        return int(offsets[turn % len(offsets)] * 1e9)

    time.time_ns = lambda: real() + off()
    time.time = lambda: (real() + off()) / 1e9
    SystemClock.now = lambda self: (real() + off()) // 1000  # type: ignore[method-assign]  # the seam of the clock


def stop_at(point: str, nth: int) -> None:
    """Stop this process at the ``nth`` passing of ``point``; who stopped it lets it go on."""
    left = nth

    def handler(name: str) -> None:
        nonlocal left
        left -= name == point
        if name == point and left == 0:
            os.kill(os.getpid(), signal.SIGSTOP)

    faults.install(handler)


def main() -> None:
    """The command line, with what :data:`INSIDE` says."""
    what = json.loads(os.environ.pop(INSIDE))
    cache = str(Path(what["folder"]) / "cache")

    def struck() -> None:
        print(STRUCK, file=sys.stderr, flush=True)  # noqa: T201 - read by the process that started this one

    if what["clock"]:
        jump(what["clock"])
    if what["stop_at"]:
        stop_at(*what["stop_at"])
    if what["limit"]:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (what["limit"], what["limit"]))
    from headrace.cli import main as headrace

    with Files(cache, what["file"], what["error"], struck), Statements(what["folder"], what["state"], struck):
        headrace()


if __name__ == "__main__":
    main()
