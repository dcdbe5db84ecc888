"""The state folder's SQLite file: a connection for each thread, and what becomes of work when there is trouble."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from headrace.core.errors import StateError
from headrace.state import schema
from headrace.state.folder import make_private

T = TypeVar("T")

FILE = "state.db"
_BUSY_SECONDS = 5.0


class StateFile:
    """Opened when it is first used, in any thread. The file may be deleted or damaged at any time: it is made again (a
    damaged one is set aside). ``warn`` is told of trouble, once."""

    def __init__(self, folder: Path, warn: Callable[[str], None] | None) -> None:
        self.folder = folder
        self.lock = threading.Lock()
        """Held for an instant, also by who keeps something beside the file; another one after a fork."""
        self._path = folder / FILE
        self._warn = warn
        self._warned = False
        self._connections: dict[int, _Open] = {}
        self._inherited: list[_Open] = []
        self._pid = os.getpid()

    def do(self, work: Callable[[sqlite3.Connection], T], default: T, *, refuse_newer: bool = False) -> T:
        """``work`` on this thread's connection; once more on a new one; else one warning and ``default``. Raises
        StateError for a file of a newer Headrace with ``refuse_newer`` only."""
        trouble: Exception
        for _ in range(2):
            try:
                return work(self.connection())
            except StateError as error:
                if refuse_newer:
                    raise
                trouble = error
            except (sqlite3.Error, OSError) as error:
                trouble = error
            self._drop()
            if _code(trouble) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                self._set_aside()
            elif _code(trouble) == sqlite3.SQLITE_BUSY:
                break  # it has waited long enough
        if not self._warned:
            self._warned = True
            self._tell(f"{self._path}: {trouble}; this run goes on without it, `status` and `runs` may be behind")
        return default

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """What a query gives; nothing where the file cannot be used."""

        def work(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
            return connection.execute(sql, values).fetchall()

        return self.do(work, [])

    def strictly(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """``work`` on this thread's connection. Raises StateError: for what must not merely seem to be kept."""
        try:
            return work(self.connection())
        except (sqlite3.Error, OSError) as error:
            self._drop()
            raise StateError(
                f"the state file cannot be used: {error}", hint="name another folder: HEADRACE_STATE=/path/to/folder",
                place=str(self._path),
            ) from None  # fmt: skip

    def close(self) -> None:
        """Close the connections of all threads; new ones are opened when it is used again."""
        with self.lock:
            opened = list(self._connections.values()) if self._pid == os.getpid() else []
            self._connections = {}
        for one in opened:
            with suppress(sqlite3.Error):
                one.connection.close()

    def connection(self) -> sqlite3.Connection:
        """This thread's connection. Raises sqlite3.Error, OSError, and StateError for a file of a newer Headrace."""
        if self._pid != os.getpid():
            # After a fork: the parent's connections must be neither used nor closed here, and its lock may
            # be held by a thread that does not exist here.
            self._inherited += self._connections.values()
            self._connections, self.lock, self._pid = {}, threading.Lock(), os.getpid()
        me = threading.current_thread().ident  # also makes a thread that C code started show in enumerate()
        assert me is not None
        mine = self._connections.get(me)
        if mine is not None:
            with suppress(OSError):
                if _identity(self._path) == mine.identity:
                    return mine.connection
            self._drop()
        opened = self._open()
        with self.lock:
            running = {thread.ident for thread in threading.enumerate()}
            for ident in self._connections.keys() - running:
                self._connections.pop(ident).connection.close()
            self._connections[me] = opened
        return opened.connection

    def _open(self) -> _Open:
        make_private(self.folder)
        # SQLite gives its -wal and -shm files the mode of the file itself.
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        identity = _identity(self._path)
        connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            _write_ahead(connection)
            connection.execute("PRAGMA synchronous = NORMAL")
            schema.ensure(connection, self._path)
        except BaseException:
            connection.close()
            raise
        return _Open(connection, identity)

    def _drop(self) -> None:
        with self.lock:
            mine = self._connections.pop(threading.get_ident(), None)
        if mine is not None:
            with suppress(sqlite3.Error):
                mine.connection.close()

    def _set_aside(self) -> None:
        """Rename a damaged file, so that what it held can still be looked at."""
        damaged = self._path.with_name(f"{FILE}.damaged-{time.time_ns()}")
        with suppress(OSError):
            self._path.rename(damaged)
            self._tell(f"{self._path} was damaged and is now {damaged.name}: the history of runs starts anew")
        for suffix in ("-wal", "-shm"):
            with suppress(OSError):
                self._path.with_name(FILE + suffix).rename(damaged.with_name(damaged.name + suffix))

    def _tell(self, message: str) -> None:
        if self._warn is not None:
            self._warn(message)


@dataclass(frozen=True, slots=True)
class _Open:
    connection: sqlite3.Connection
    identity: tuple[int, int]
    """Device and inode: a connection to a file that was deleted goes on without a word."""


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _write_ahead(connection: sqlite3.Connection) -> None:
    # Several processes that open a new file at once may get "locked" here in spite of the timeout.
    until = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of the block or nothing; the file is this process's for writing from its first statement on."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def durable(work: Callable[[sqlite3.Connection], T]) -> Callable[[sqlite3.Connection], T]:
    """``work`` in a transaction that is on the disk when it returns."""

    def done(connection: sqlite3.Connection) -> T:
        connection.execute("PRAGMA synchronous = FULL")
        try:
            with transaction(connection):
                return work(connection)
        finally:
            connection.execute("PRAGMA synchronous = NORMAL")

    return done


def _code(error: Exception) -> int | None:
    """SQLite's primary result code."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF
