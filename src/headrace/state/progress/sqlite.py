"""The store of one service: a SQLite file beside the state of its runs."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from headrace.core.clock import Clock, SystemClock
from headrace.core.errors import StateError
from headrace.core.files import identity
from headrace.core.sql import fill, sections
from headrace.state.folder import make_private
from headrace.state.progress import rows
from headrace.state.progress.contract import ACTIVE, ENDED, MAX_EVENTS, Document, Request

T = TypeVar("T")

_VERSION = 1
_COLUMNS = ", ".join(rows.COLUMNS)
_SQL = sections("headrace.state.progress", "sql/sqlite.sql")
_INSERT = f"INSERT INTO requests ({_COLUMNS}) VALUES ({', '.join('?' * len(rows.COLUMNS))})"
_CLAIM = fill(_SQL["claim"], {"columns": _COLUMNS})


class SqliteProgress:
    """:class:`~headrace.state.progress.contract.ProgressStore` in a file (WAL) that several processes of this machine
    may use. One connection under a lock: every call is a few statements."""

    def __init__(self, path: Path | str, *, clock: Clock | None = None, patience: float = 5.0) -> None:
        """``patience``: seconds to wait for another process's write. Raises StateError when the file cannot be used."""
        self._path = Path(path)
        self._clock = clock or SystemClock()
        self._patience = patience
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self.ping()

    def create(self, request: Request, *, key: str = "") -> Request:
        def work(connection: sqlite3.Connection) -> Request:
            made = "request_id = (SELECT request_id FROM keys WHERE org = ? AND key = ? AND key <> '')"
            there = _one(connection, made, request.org, key) or _one(connection, "request_id = ?", request.request_id)
            if there is not None:
                return there
            _refuse_busy(connection, request.scope)
            now = self._clock.now()
            created = replace(request, created_at=request.created_at or now, updated_at=request.updated_at or now)
            _execute(connection, _INSERT, rows.values(created))
            if key:
                _execute(connection, "INSERT INTO keys VALUES (?, ?, ?)", (request.org, key, request.request_id))
            stored = _one(connection, "request_id = ?", request.request_id)
            assert stored is not None
            return stored

        return self._write(work)

    def get(self, request_id: str) -> Request | None:
        return self._read(lambda connection: _one(connection, "request_id = ?", request_id))

    def latest(self, *, org: str | None = None) -> Request | None:
        sql = fill(_SQL["latest"], {"columns": _COLUMNS, "ended": "TRUE" if org is None else "org = :org"})
        found = self._read(lambda connection: _execute(connection, sql, {"org": org}).fetchall())
        return rows.request_of(found[0]) if found else None

    def find(
        self,
        *,
        org: str | None = None,
        pipeline: str | None = None,
        status: Sequence[str] = (),
        before: tuple[int, str] | None = None,
        limit: int = 100,
    ) -> list[Request]:
        wanted = {
            "org = ?": None if org is None else [org],
            "pipeline = ?": None if pipeline is None else [pipeline],
            f"status IN ({', '.join('?' * len(status))})": list(status) or None,
            "(created_at, request_id) < (?, ?)": before,
        }
        table = "requests"
        if status and ACTIVE.issuperset(status):  # of a long history they are few
            table = "requests INDEXED BY waiting"
            wanted["status IN ('queued', 'running')"] = []
        where = " AND ".join(["TRUE", *(text for text, given in wanted.items() if given is not None)])
        sql = f"SELECT {_COLUMNS} FROM {table} WHERE {where} ORDER BY created_at DESC, request_id DESC LIMIT ?"
        given = [value for each in wanted.values() if each is not None for value in each]
        found = self._read(lambda connection: _execute(connection, sql, [*given, limit]).fetchall())
        return [rows.request_of(row) for row in found]

    def update(self, request_id: str, owner: str, **changes: Any) -> bool:
        now = self._clock.now()
        given = {"updated_at": now} | rows.checked(changes)
        sets = {name: f"{name} = :{name}" for name in given}
        if "progress" in given:
            sets["progress"] = "progress = coalesce(max(progress, :progress), :progress, progress)"
        if given.get("status") in ENDED:
            given = {"finished_at": now} | given
            sets |= {"owner": "owner = ''", "lease": "lease = 0", "finished_at": "finished_at = :finished_at"}
        sql = (
            f"UPDATE requests SET {', '.join(sets.values())} "
            "WHERE request_id = :this_id AND owner = :this_owner AND status = 'running'"
        )
        given |= {"this_id": request_id, "this_owner": owner}
        return self._write(lambda connection: _execute(connection, sql, given).rowcount) == 1

    def reopen(self, request_id: str) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            there = _one(connection, "request_id = ?", request_id)
            if there is None or there.status not in ENDED:
                return False
            _refuse_busy(connection, there.scope)
            _execute(connection, _SQL["reopen"], {"request_id": request_id, "now": self._clock.now()})
            return True

        return self._write(work)

    def ask_cancel(self, request_id: str) -> bool:
        given = {"request_id": request_id, "now": self._clock.now()}
        return self._write(lambda connection: _execute(connection, _SQL["ask_cancel"], given).rowcount) == 1

    def claim(self, owner: str, *, lease_seconds: float) -> Request | None:
        given = {"owner": owner, "now": self._clock.now(), "lease": rows.microseconds(lease_seconds)}
        found = self._write(lambda connection: _execute(connection, _CLAIM, given).fetchall())
        return rows.request_of(found[0]) if found else None

    def beat(self, owner: str, request_ids: Sequence[str], *, lease_seconds: float) -> frozenset[str]:
        given = {
            "owner": owner,
            "now": self._clock.now(),
            "lease": rows.microseconds(lease_seconds),
            "ids": json.dumps(list(request_ids)),
        }
        found = self._write(lambda connection: _execute(connection, _SQL["beat"], given).fetchall())
        return frozenset(request_id for (request_id,) in found)

    def restore(self, request: Request, owner: str, *, lease_seconds: float) -> bool:
        lease = rows.microseconds(lease_seconds)

        def work(connection: sqlite3.Connection) -> bool:
            there = _one(connection, "request_id = ?", request.request_id)
            if there is None:
                if _busy(connection, request.scope) is not None:
                    return False
                _execute(connection, _INSERT, rows.values(replace(request, status="queued")))
            given = {"request_id": request.request_id, "owner": owner, "now": self._clock.now(), "lease": lease}
            return _execute(connection, _SQL["take"], given).rowcount == 1

        return self._write(work)

    def give_back(self, request_id: str, owner: str) -> None:
        given = {"request_id": request_id, "owner": owner, "now": self._clock.now()}
        self._write(lambda connection: _execute(connection, _SQL["give_back"], given).rowcount)

    def append_events(self, request_id: str, events: Sequence[Mapping[str, Any]]) -> int:
        texts = [rows.as_json(event) for event in events]

        def work(connection: sqlite3.Connection) -> int:
            counted = {"request_id": request_id, "count": len(texts)}
            found = _execute(connection, _SQL["count_events"], counted).fetchall()
            if not found:
                return 0
            last: int = found[0][0]
            numbered = zip(range(last - len(texts) + 1, last + 1), texts, strict=True)
            connection.executemany(
                "INSERT INTO events VALUES (?, ?, ?)", [(request_id, *each) for each in list(numbered)[-MAX_EVENTS:]]
            )
            old = (request_id, last - MAX_EVENTS)
            _execute(connection, "DELETE FROM events WHERE request_id = ? AND number <= ?", old)
            return last

        return self._write(work)

    def events(self, request_id: str, *, after: int = 0, limit: int = 500) -> list[tuple[int, dict[str, Any]]]:
        sql = "SELECT number, event FROM events WHERE request_id = ? AND number > ? ORDER BY number LIMIT ?"
        found = self._read(lambda connection: _execute(connection, sql, (request_id, after, limit)).fetchall())
        return [(number, json.loads(text)) for number, text in found]

    def put(self, kind: str, name: str, body: Mapping[str, Any], *, expected: int | None = None) -> int | None:
        given = {"kind": kind, "name": name, "body": rows.as_json(body)}

        def work(connection: sqlite3.Connection) -> int | None:
            sql = "SELECT version FROM documents WHERE kind = ? AND name = ?"
            there = _execute(connection, sql, (kind, name)).fetchone()
            if expected is not None and expected != (there[0] if there else 0):
                return None
            version: int = _execute(connection, _SQL["put"], given).fetchall()[0][0]
            return version

        return self._write(work)

    def document(self, kind: str, name: str) -> Document | None:
        sql = "SELECT kind, name, body, version FROM documents WHERE kind = ? AND name = ?"
        found = self._read(lambda connection: _execute(connection, sql, (kind, name)).fetchall())
        return _document(found[0]) if found else None

    def documents(self, kind: str, *, prefix: str = "") -> list[Document]:
        sql = (
            "SELECT kind, name, body, version FROM documents WHERE kind = ?1 AND substr(name, 1, length(?2)) = ?2 "
            "ORDER BY name"
        )
        found = self._read(lambda connection: _execute(connection, sql, (kind, prefix)).fetchall())
        return [_document(row) for row in found]

    def delete(self, kind: str, name: str) -> bool:
        sql = "DELETE FROM documents WHERE kind = ? AND name = ?"
        return self._write(lambda connection: _execute(connection, sql, (kind, name)).rowcount) == 1

    def forget(self, *, before: int) -> int:
        sql = "DELETE FROM requests WHERE finished_at > 0 AND finished_at < ?"
        return self._write(lambda connection: _execute(connection, sql, (before,)).rowcount)

    def ping(self) -> None:
        self._read(lambda connection: connection.execute("SELECT 1 FROM requests LIMIT 1").fetchall())

    def close(self) -> None:
        """Close the file; it is opened again when the store is used again."""
        with self._lock:
            self._close()

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._lock, self._errors():
            return work(self._opened())

    def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._lock, self._errors():
            connection = self._opened()
            connection.execute("BEGIN IMMEDIATE")
            try:
                result = work(connection)
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise
            return result

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            self._close()
            raise StateError(
                f"{self._path}: {error}",
                hint="the service keeps its queue, history, keys and schedules there; moving the file away loses "
                "those and no row",
            ) from error

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None or self._file != identity(self._path):
            self._close()
            self._connection = self._open()
            self._file = identity(self._path)
        return self._connection

    def _open(self) -> sqlite3.Connection:
        make_private(self._path.parent)
        fd = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600)
        os.close(fd)
        connection = sqlite3.connect(self._path, timeout=self._patience, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("BEGIN IMMEDIATE")
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version > _VERSION:
                raise StateError(
                    f"{self._path} was written by a newer Headrace", hint="upgrade, or choose another state folder"
                )
            if version == 0:
                for statement in _SQL["create"].split(";\n"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {_VERSION}")
            connection.execute("COMMIT")
        except BaseException:
            connection.close()
            raise
        return connection

    def _close(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None


def _execute(connection: sqlite3.Connection, sql: str, given: Mapping[str, Any] | Sequence[Any]) -> sqlite3.Cursor:
    if isinstance(given, Mapping):
        return connection.execute(sql, {name: rows.bound(value) for name, value in given.items()})
    return connection.execute(sql, [rows.bound(value) for value in given])


def _one(connection: sqlite3.Connection, where: str, *given: Any) -> Request | None:
    row = _execute(connection, f"SELECT {_COLUMNS} FROM requests WHERE {where}", given).fetchone()
    return None if row is None else rows.request_of(row)


def _refuse_busy(connection: sqlite3.Connection, scope: str) -> None:
    if (busy := _busy(connection, scope)) is not None:
        raise rows.busy(busy.request_id)


def _busy(connection: sqlite3.Connection, scope: str) -> Request | None:
    return _one(connection, "scope = ? AND scope <> '' AND status IN ('queued', 'running')", scope)


def _document(row: tuple[str, str, str, int]) -> Document:
    return Document(row[0], row[1], json.loads(row[2]), row[3])
