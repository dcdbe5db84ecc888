"""What the state folder knows of runs, tokens and limits; every process on this machine may use it at once."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from headrace.core.clock import Clock, SystemClock
from headrace.state import turns
from headrace.state.contract import GONE, STALE_AFTER, Holder, RunEntry
from headrace.state.credentials import StoredCredentials
from headrace.state.file import StateFile, durable, transaction
from headrace.state.folder import state_folder
from headrace.state.limit import SharedLimit
from headrace.state.process import is_alive, start_time, this_host

_COLUMNS = tuple(f.name for f in fields(RunEntry))
_JSON = frozenset({"progress", "params"})
_SAVE_RUN = f"INSERT OR REPLACE INTO runs ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"
_READ_RUNS = f"""
SELECT {", ".join(f"r.{name}" for name in _COLUMNS)}, l.pid, l.host, l.process_start, l.heartbeat
FROM runs r LEFT JOIN leases l ON l.run_id = r.run_id
"""


class StateStore:
    """:class:`~headrace.state.contract.State` in SQLite. When the file is lost, what this process has put is put again
    when it next changes."""

    def __init__(self, folder: Path, *, clock: Clock | None = None, warn: Callable[[str], None] | None = None) -> None:
        self.folder = folder
        self._file = StateFile(folder, warn)
        self._clock = clock or SystemClock()
        self._mine: dict[str, RunEntry] = {}
        self._tokens: dict[str, dict[str, Any] | None] = {}
        self._limits: dict[str, SharedLimit] = {}
        self.credentials = StoredCredentials(self._file.strictly, lambda work: self._file.strictly(durable(work)))

    @classmethod
    def open(
        cls, folder: Path | str | None = None, *, clock: Clock | None = None, warn: Callable[[str], None] | None = None
    ) -> StateStore:
        """Open the state in ``folder`` (``None``: :func:`~headrace.state.folder.state_folder`).

        Raises StateError only when a newer Headrace wrote it. Any other trouble goes to ``warn``, once.
        """
        store = cls(Path(folder) if folder else state_folder(), clock=clock, warn=warn)
        store._file.do(lambda connection: None, None, refuse_newer=True)
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
        with self._file.lock:
            self._mine[entry.run_id] = entry
        held = entry.status == "running" and (entry.pid, entry.host) == (os.getpid(), this_host())

        def work(connection: sqlite3.Connection) -> None:
            with transaction(connection):
                connection.execute(_SAVE_RUN, _run_row(entry))
                if held:
                    self._beat(connection, entry.run_id)

        self._file.do(work, None)

    def update_run(self, run_id: str, **changes: Any) -> None:
        unknown = changes.keys() - set(_COLUMNS) | changes.keys() & {"run_id"}
        if unknown:
            raise TypeError(f"not a field of a run that can change: {', '.join(sorted(unknown))}")
        changes.setdefault("updated_at", self._clock.now())
        with self._file.lock:
            mine = self._mine.get(run_id)
            if mine is not None:
                mine = self._mine[run_id] = replace(mine, **changes)
        values = [_column(name, value) for name, value in changes.items()]
        update = f"UPDATE runs SET {', '.join(f'{name} = ?' for name in changes)} WHERE run_id = ?"

        def work(connection: sqlite3.Connection) -> None:
            changed = connection.execute(update, (*values, run_id)).rowcount
            if not changed and mine is not None:
                connection.execute(_SAVE_RUN, _run_row(mine))

        self._file.do(work, None)

    def run(self, run_id: str) -> RunEntry | None:
        rows = self._file.rows(_READ_RUNS + "WHERE r.run_id = ?", run_id)
        return self._entry(rows[0]) if rows else self._mine.get(run_id)

    def runs(self, *, limit: int = 100, pipeline: str | None = None, org: str | None = None) -> list[RunEntry]:
        sql = (
            f"{_READ_RUNS} WHERE (?1 IS NULL OR r.pipeline = ?1) AND (?2 IS NULL OR r.org = ?2) "
            "ORDER BY r.started_at DESC, r.run_id DESC LIMIT ?3"
        )
        return [self._entry(row) for row in self._file.rows(sql, pipeline, org, limit)]

    def heartbeat(self, run_id: str) -> None:
        self._file.do(lambda connection: self._beat(connection, run_id), None)

    def release(self, run_id: str) -> None:
        key = (run_id, os.getpid(), this_host())
        sql = "DELETE FROM leases WHERE run_id = ? AND pid = ? AND host = ?"
        self._file.do(lambda connection: connection.execute(sql, key).rowcount, 0)

    def holder(self, run_id: str) -> Holder | None:
        rows = self._file.rows("SELECT pid, host, process_start, heartbeat FROM leases WHERE run_id = ?", run_id)
        return self._holder(*rows[0]) if rows else None

    def get_token(self, name: str) -> dict[str, Any] | None:
        rows = self._file.rows("SELECT token FROM tokens WHERE name = ?", name)
        if not rows:
            return self._tokens.get(name)
        token: dict[str, Any] = json.loads(rows[0][0])
        return token

    def put_token(self, name: str, token: Mapping[str, Any] | None) -> None:
        """Keep a rotated token, or forget it (``None``); flushed to the disk when it returns."""
        # Should the disk refuse it, this run at least goes on with it.
        self._tokens[name] = None if token is None else dict(token)

        def work(connection: sqlite3.Connection) -> None:
            if token is None:
                connection.execute("DELETE FROM tokens WHERE name = ?", (name,))
            else:
                row = (name, json.dumps(dict(token)), self._clock.now())
                connection.execute("INSERT OR REPLACE INTO tokens (name, token, updated_at) VALUES (?, ?, ?)", row)

        self._file.do(durable(work), None)

    def forget_tokens(self, start: str, then: str) -> None:
        """Forget every token whose name is ``start``, followed by ``then`` in any case, and more."""
        for name in [name for name in self._tokens if name.startswith(start)]:
            if name.removeprefix(start).casefold().startswith(then.casefold()):
                self._tokens[name] = None
        sql = "DELETE FROM tokens WHERE substr(name, 1, ?1) = ?2 AND lower(substr(name, ?1 + 1, ?3)) = lower(?4)"
        given = (len(start), start, len(then), then)
        self._file.do(lambda connection: connection.execute(sql, given).rowcount, 0)

    def take_turn(self, name: str, owner: str) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            with transaction(connection):
                return turns.take(connection, name, owner, self._clock.now())

        return self._file.do(work, True)

    def end_turn(self, name: str, owner: str) -> None:
        sql = "DELETE FROM turns WHERE name = ? AND owner = ?"
        self._file.do(lambda connection: connection.execute(sql, (name, owner)).rowcount, 0)

    def limit(self, name: str) -> SharedLimit:
        with self._file.lock:
            return self._limits.setdefault(name, SharedLimit(self._file, name, self._clock.now))

    def close(self) -> None:
        """Close the connections of all threads; the store opens new ones when it is used again."""
        self._file.close()

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


def _run_row(entry: RunEntry) -> list[Any]:
    return [_column(name, getattr(entry, name)) for name in _COLUMNS]


def _column(name: str, value: Any) -> Any:
    """As SQLite takes it. What an API or a YAML file put into it (half an emoji in an error, a date in a
    parameter) must not fail a run here."""
    if name in _JSON:
        return json.dumps(dict(value), default=str)
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
