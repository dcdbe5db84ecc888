"""The state folder: one SQLite file that every process on this machine may use at once."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from headrace.core.clock import Clock, SystemClock
from headrace.core.errors import StateError
from headrace.state import schema, turns
from headrace.state.contract import GONE, STALE_AFTER, Holder, RunEntry
from headrace.state.credentials import StoredCredentials
from headrace.state.folder import make_private, state_folder
from headrace.state.limit import LocalLimit, reserve
from headrace.state.process import is_alive, start_time, this_host

T = TypeVar("T")

FILE = "state.db"
_BUSY_SECONDS = 5.0
_COLUMNS = tuple(f.name for f in fields(RunEntry))
_JSON = frozenset({"progress", "params"})
_SAVE_RUN = f"INSERT OR REPLACE INTO runs ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"
_READ_RUNS = f"""
SELECT {", ".join(f"r.{name}" for name in _COLUMNS)}, l.pid, l.host, l.process_start, l.heartbeat
FROM runs r LEFT JOIN leases l ON l.run_id = r.run_id
"""


class StateStore:
    """:class:`~headrace.state.contract.State` in SQLite (WAL), with a connection for each thread.

    The file may be deleted or damaged at any time: it is made again (a damaged one is set aside), and
    what this process has put is put again when it next changes.
    """

    def __init__(self, folder: Path, *, clock: Clock | None = None, warn: Callable[[str], None] | None = None) -> None:
        self.folder = folder
        self._path = folder / FILE
        self._clock = clock or SystemClock()
        self._warn = warn
        self._warned = False
        self._lock = threading.Lock()
        self._connections: dict[int, _Open] = {}
        self._inherited: list[_Open] = []
        self._pid = os.getpid()
        self._mine: dict[str, RunEntry] = {}
        self._tokens: dict[str, dict[str, Any] | None] = {}
        self._limits: dict[str, SharedLimit] = {}
        self.credentials = StoredCredentials(self._strictly, lambda work: self._strictly(_durable(work)))

    @classmethod
    def open(
        cls, folder: Path | str | None = None, *, clock: Clock | None = None, warn: Callable[[str], None] | None = None
    ) -> StateStore:
        """Open the state in ``folder`` (``None``: :func:`~headrace.state.folder.state_folder`).

        Raises StateError only when a newer Headrace wrote it. Any other trouble goes to ``warn``, once.
        """
        store = cls(Path(folder) if folder else state_folder(), clock=clock, warn=warn)
        store._do(lambda connection: None, None, refuse_newer=True)
        return store

    def put_run(self, entry: RunEntry) -> None:
        """Insert or replace; a run that this process runs is also held by it from now on."""
        now = self._clock.now()
        entry = replace(
            entry,
            pid=entry.pid or os.getpid(),
            host=entry.host or this_host(),
            started_at=entry.started_at or now,
            updated_at=entry.updated_at or now,
        )
        with self._lock:
            self._mine[entry.run_id] = entry
        held = entry.status == "running" and (entry.pid, entry.host) == (os.getpid(), this_host())

        def work(connection: sqlite3.Connection) -> None:
            with _transaction(connection):
                connection.execute(_SAVE_RUN, _run_row(entry))
                if held:
                    self._beat(connection, entry.run_id)

        self._do(work, None)

    def update_run(self, run_id: str, **changes: Any) -> None:
        unknown = changes.keys() - set(_COLUMNS) | changes.keys() & {"run_id"}
        if unknown:
            raise TypeError(f"not a field of a run that can change: {', '.join(sorted(unknown))}")
        changes.setdefault("updated_at", self._clock.now())
        with self._lock:
            mine = self._mine.get(run_id)
            if mine is not None:
                mine = self._mine[run_id] = replace(mine, **changes)
        values = [_column(name, value) for name, value in changes.items()]
        update = f"UPDATE runs SET {', '.join(f'{name} = ?' for name in changes)} WHERE run_id = ?"

        def work(connection: sqlite3.Connection) -> None:
            changed = connection.execute(update, (*values, run_id)).rowcount
            if not changed and mine is not None:
                connection.execute(_SAVE_RUN, _run_row(mine))

        self._do(work, None)

    def run(self, run_id: str) -> RunEntry | None:
        rows = self._rows(_READ_RUNS + "WHERE r.run_id = ?", run_id)
        return self._entry(rows[0]) if rows else self._mine.get(run_id)

    def runs(self, *, limit: int = 100, pipeline: str | None = None, org: str | None = None) -> list[RunEntry]:
        sql = (
            f"{_READ_RUNS} WHERE (?1 IS NULL OR r.pipeline = ?1) AND (?2 IS NULL OR r.org = ?2) "
            "ORDER BY r.started_at DESC, r.run_id DESC LIMIT ?3"
        )
        return [self._entry(row) for row in self._rows(sql, pipeline, org, limit)]

    def heartbeat(self, run_id: str) -> None:
        self._do(lambda connection: self._beat(connection, run_id), None)

    def release(self, run_id: str) -> None:
        key = (run_id, os.getpid(), this_host())
        sql = "DELETE FROM leases WHERE run_id = ? AND pid = ? AND host = ?"
        self._do(lambda connection: connection.execute(sql, key).rowcount, 0)

    def holder(self, run_id: str) -> Holder | None:
        rows = self._rows("SELECT pid, host, process_start, heartbeat FROM leases WHERE run_id = ?", run_id)
        return self._holder(*rows[0]) if rows else None

    def get_token(self, name: str) -> dict[str, Any] | None:
        rows = self._rows("SELECT token FROM tokens WHERE name = ?", name)
        if not rows:
            return self._tokens.get(name)
        token: dict[str, Any] = json.loads(rows[0][0])
        return token

    def put_token(self, name: str, token: Mapping[str, Any] | None) -> None:
        """Keep a rotated token, or forget it (``None``); flushed to the disk when it returns."""
        # Should the disk refuse it, this run at least goes on with it.
        self._tokens[name] = None if token is None else dict(token)

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("PRAGMA synchronous = FULL")
            try:
                if token is None:
                    connection.execute("DELETE FROM tokens WHERE name = ?", (name,))
                else:
                    row = (name, json.dumps(dict(token)), self._clock.now())
                    connection.execute("INSERT OR REPLACE INTO tokens (name, token, updated_at) VALUES (?, ?, ?)", row)
            finally:
                connection.execute("PRAGMA synchronous = NORMAL")

        self._do(work, None)

    def forget_tokens(self, start: str, then: str) -> None:
        """Forget every token whose name is ``start``, followed by ``then`` in any case, and more."""
        for name in [name for name in self._tokens if name.startswith(start)]:
            if name.removeprefix(start).casefold().startswith(then.casefold()):
                self._tokens[name] = None
        sql = "DELETE FROM tokens WHERE substr(name, 1, ?1) = ?2 AND lower(substr(name, ?1 + 1, ?3)) = lower(?4)"
        given = (len(start), start, len(then), then)
        self._do(lambda connection: connection.execute(sql, given).rowcount, 0)

    def take_turn(self, name: str, owner: str) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            with _transaction(connection):
                return turns.take(connection, name, owner, self._clock.now())

        return self._do(work, True)

    def end_turn(self, name: str, owner: str) -> None:
        sql = "DELETE FROM turns WHERE name = ? AND owner = ?"
        self._do(lambda connection: connection.execute(sql, (name, owner)).rowcount, 0)

    def limit(self, name: str) -> SharedLimit:
        with self._lock:
            return self._limits.setdefault(name, SharedLimit(self, name))

    def close(self) -> None:
        """Close the connections of all threads; the store opens new ones when it is used again."""
        with self._lock:
            opened = list(self._connections.values()) if self._pid == os.getpid() else []
            self._connections = {}
        for one in opened:
            with suppress(sqlite3.Error):
                one.connection.close()

    def __enter__(self) -> StateStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _beat(self, connection: sqlite3.Connection, run_id: str) -> None:
        pid = os.getpid()
        connection.execute(
            "INSERT OR REPLACE INTO leases (run_id, pid, host, process_start, heartbeat) VALUES (?, ?, ?, ?, ?)",
            (run_id, pid, this_host(), start_time(pid), self._clock.now()),
        )

    def _holder(self, pid: int, host: str, started: str, heartbeat: int) -> Holder:
        if host == this_host():
            alive = is_alive(pid, started)
        else:
            alive = self._clock.now() - heartbeat <= STALE_AFTER * 1_000_000
        return Holder(pid, host, heartbeat, alive)

    def _entry(self, row: tuple[Any, ...]) -> RunEntry:
        values = dict(zip(_COLUMNS, row, strict=False))
        for name in _JSON:
            values[name] = json.loads(values[name])
        entry = RunEntry(**values)
        if entry.status != "running":
            return entry
        lease = row[len(_COLUMNS) :]
        if lease[0] is None:
            lease = (entry.pid, entry.host, "", entry.updated_at)
        return entry if self._holder(*lease).alive else replace(entry, status=GONE)

    def _rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        def work(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
            return connection.execute(sql, values).fetchall()

        return self._do(work, [])

    def _do(self, work: Callable[[sqlite3.Connection], T], default: T, *, refuse_newer: bool = False) -> T:
        """``work`` on this thread's connection; once more on a new one; else one warning and ``default``."""
        trouble: Exception
        for _ in range(2):
            try:
                return work(self._connection())
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

    def _strictly(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """``work`` on this thread's connection. Raises StateError: for what must not merely seem to be kept."""
        try:
            return work(self._connection())
        except (sqlite3.Error, OSError) as error:
            self._drop()
            raise StateError(
                f"the state file cannot be used: {error}", hint="name another folder: HEADRACE_STATE=/path/to/folder",
                place=str(self._path),
            ) from None  # fmt: skip

    def _connection(self) -> sqlite3.Connection:
        if self._pid != os.getpid():
            # After a fork: the parent's connections must be neither used nor closed here, and its lock may
            # be held by a thread that does not exist here.
            self._inherited += self._connections.values()
            self._connections, self._lock, self._pid = {}, threading.Lock(), os.getpid()
        me = threading.current_thread().ident  # also makes a thread that C code started show in enumerate()
        assert me is not None
        mine = self._connections.get(me)
        if mine is not None:
            with suppress(OSError):
                if _identity(self._path) == mine.identity:
                    return mine.connection
            self._drop()
        opened = self._open()
        with self._lock:
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
        with self._lock:
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


class SharedLimit:
    """:class:`~headrace.state.contract.Limit` in the state file."""

    def __init__(self, store: StateStore, name: str) -> None:
        self._store = store
        self._name = name
        self._alone = LocalLimit(store._clock.now)

    def reserve(self, requests: int, per_seconds: float, burst: int = 0) -> float:
        def work(connection: sqlite3.Connection) -> float:
            with _transaction(connection):
                return reserve(connection, self._name, self._store._clock.now(), requests, per_seconds, burst)

        seconds = self._store._do(work, -1.0)
        return seconds if seconds >= 0 else self._alone.reserve(requests, per_seconds, burst)


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
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _durable(work: Callable[[sqlite3.Connection], T]) -> Callable[[sqlite3.Connection], T]:
    """``work`` in a transaction that is on the disk when it returns."""

    def done(connection: sqlite3.Connection) -> T:
        connection.execute("PRAGMA synchronous = FULL")
        try:
            with _transaction(connection):
                return work(connection)
        finally:
            connection.execute("PRAGMA synchronous = NORMAL")

    return done


def _code(error: Exception) -> int | None:
    """SQLite's primary result code."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _run_row(entry: RunEntry) -> list[Any]:
    return [_column(name, getattr(entry, name)) for name in _COLUMNS]


def _column(name: str, value: Any) -> Any:
    """As SQLite takes it. What an API or a YAML file put into it (half an emoji in an error, a date in a
    parameter) must not fail a run here."""
    if name in _JSON:
        return json.dumps(dict(value), default=str)
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
