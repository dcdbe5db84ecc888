"""The store of several services in one PostgreSQL, in the schema ``headrace_service``."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from headrace.core.errors import StateError, UsageError
from headrace.core.sql import fill, sections
from headrace.state.progress import rows
from headrace.state.progress.contract import ENDED, MAX_EVENTS, Document, Request
from headrace.state.progress.url import shown

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[tuple[Any, ...]]

T = TypeVar("T")

_VERSION = 1
_CONNECTIONS = 8
_CREATING = 0x6865616472616365
"""The advisory lock under which the schema is made: creating one twice at once fails even with IF NOT EXISTS."""
_COLUMNS = ", ".join(rows.COLUMNS)
_NOW = "(extract(epoch FROM statement_timestamp()) * 1000000)::bigint"
_HOLES = ", ".join(f"%({name})s" for name in rows.COLUMNS)
_SQL = {
    name: fill(text, {"columns": _COLUMNS, "holes": _HOLES, "now": _NOW, "of_org": "{of_org}"})
    for name, text in sections("headrace.state.progress", "sql/postgresql.sql").items()
}
_PATIENCE = {
    "connect_timeout": 5, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}  # fmt: skip


class PostgresProgress:
    """:class:`~headrace.state.progress.contract.ProgressStore` in PostgreSQL 13 or newer.

    Times, and with them leases, are the server's: the instances' clocks need not agree. A few connections, used by one
    call at a time; one that broke is made anew by the next call.
    """

    def __init__(self, url: str) -> None:
        """Creates the schema when it is not there. Raises UsageError without psycopg or for a URL that it cannot read,
        StateError when the database cannot be reached or refuses."""
        try:
            import psycopg
        except ImportError as error:
            raise UsageError("PostgreSQL needs psycopg", hint="pip install 'headrace[postgres]'") from error
        self._psycopg = psycopg
        self._dsn = url
        self._url = shown(url)
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._room = threading.BoundedSemaphore(_CONNECTIONS)
        try:
            self._run(self._prepare)
        except BaseException:
            self.close()
            raise

    def create(self, request: Request, *, key: str = "") -> Request:
        given = dict(zip(rows.COLUMNS, rows.values(request), strict=True))

        def work(connection: Connection) -> Request | None:
            if found := _rows(connection, f"{_ONE}", given):
                return rows.request_of(found[0])
            keyed = {"org": request.org, "key": key, "request_id": request.request_id}
            if key and not _execute(connection, _SQL["take_key"], keyed).rowcount:
                found = _rows(connection, _SQL["made_by"], keyed)
                return rows.request_of(found[0]) if found else None
            if not _rows(connection, _SQL["insert"], given):
                found = _rows(connection, _SQL["busy"], given)
                raise rows.busy(found[0][0]) if found else _Again
            return rows.request_of(_rows(connection, _SQL["stamp"], given)[0])

        while True:
            with suppress(_Again):  # what stood in the way went while it was looked at
                if (made := self._run(work)) is not None:
                    return made

    def get(self, request_id: str) -> Request | None:
        found = self._rows(_ONE, {"request_id": request_id})
        return rows.request_of(found[0]) if found else None

    def latest(self, *, org: str | None = None) -> Request | None:
        sql = fill(_SQL["latest"], {"of_org": "TRUE" if org is None else "org = %(org)s"})
        found = self._rows(sql, {"org": org})
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
        at, last = before or (0, "")
        given = {"org": org, "pipeline": pipeline, "status": list(status) or None, "at": before and at, "last": last}
        tests = {
            "org": "org = %(org)s",
            "pipeline": "pipeline = %(pipeline)s",
            "status": "status = ANY(%(status)s)",
            "at": "(created_at, request_id) < (%(at)s, %(last)s)",
        }
        where = " AND ".join(["TRUE", *(test for name, test in tests.items() if given[name] is not None)])
        found = self._rows(
            f"SELECT {_COLUMNS} FROM headrace_service.requests WHERE {where} "
            "ORDER BY created_at DESC, request_id DESC LIMIT %(limit)s",
            given | {"limit": limit},
        )
        return [rows.request_of(row) for row in found]

    def update(self, request_id: str, owner: str, **changes: Any) -> bool:
        given = rows.checked(changes)
        sets = {"updated_at": f"updated_at = {_NOW}"} | {name: f"{name} = %({name})s" for name in given}
        if "progress" in given:
            sets["progress"] = "progress = greatest(progress, %(progress)s)"
        if given.get("status") in ENDED:
            sets = {"finished_at": f"finished_at = {_NOW}"} | sets | {"owner": "owner = ''", "lease": "lease = 0"}
        return (
            self._count(
                f"UPDATE headrace_service.requests SET {', '.join(sets.values())} "
                "WHERE request_id = %(this_id)s AND owner = %(this_owner)s AND status = 'running'",
                given | {"this_id": request_id, "this_owner": owner},
            )
            == 1
        )

    def reopen(self, request_id: str) -> bool:
        def work(connection: Connection) -> bool:
            found = _rows(connection, _ONE, {"request_id": request_id})
            if not found:
                return False
            scope = rows.request_of(found[0]).scope
            try:
                with connection.transaction():
                    return _execute(connection, _SQL["reopen"], {"request_id": request_id}).rowcount == 1
            except self._psycopg.errors.UniqueViolation:
                busy = _rows(connection, _SQL["busy"], {"scope": scope})
                raise rows.busy(busy[0][0]) if busy else _Again from None

        while True:
            with suppress(_Again):
                return self._run(work)

    def ask_cancel(self, request_id: str) -> bool:
        return self._count(_SQL["ask_cancel"], {"request_id": request_id}) == 1

    def claim(self, owner: str, *, lease_seconds: float) -> Request | None:
        found = self._rows(_SQL["claim"], {"owner": owner, "lease": rows.microseconds(lease_seconds)})
        return rows.request_of(found[0]) if found else None

    def beat(self, owner: str, request_ids: Sequence[str], *, lease_seconds: float) -> frozenset[str]:
        given = {"owner": owner, "lease": rows.microseconds(lease_seconds), "ids": list(request_ids)}
        return frozenset(request_id for (request_id,) in self._rows(_SQL["beat"], given))

    def restore(self, request: Request, owner: str, *, lease_seconds: float) -> bool:
        kept = dict(zip(rows.COLUMNS, rows.values(replace(request, status="queued")), strict=True))
        given = {"request_id": request.request_id, "owner": owner, "lease": rows.microseconds(lease_seconds)}

        def work(connection: Connection) -> bool:
            _execute(connection, _SQL["insert"], kept)  # nothing happens when it, or another of its scope, is there
            return _execute(connection, _SQL["take"], given).rowcount == 1

        return self._run(work)

    def give_back(self, request_id: str, owner: str) -> None:
        self._count(_SQL["give_back"], {"request_id": request_id, "owner": owner})

    def append_events(self, request_id: str, events: Sequence[Mapping[str, Any]]) -> int:
        texts = [rows.as_json(event) for event in events]

        def work(connection: Connection) -> int:
            counted = _rows(connection, _SQL["count_events"], {"request_id": request_id, "count": len(texts)})
            if not counted:
                return 0
            last: int = counted[0][0]
            kept = texts[-MAX_EVENTS:]
            given = {"request_id": request_id, "before": last - len(kept), "events": kept}
            _execute(connection, _SQL["append"], given)
            _execute(connection, _SQL["trim"], {"request_id": request_id, "last": last - MAX_EVENTS})
            return last

        return self._run(work)

    def events(self, request_id: str, *, after: int = 0, limit: int = 500) -> list[tuple[int, dict[str, Any]]]:
        found = self._rows(_SQL["events"], {"request_id": request_id, "after": after, "limit": limit})
        return [(number, json.loads(text)) for number, text in found]

    def put(self, kind: str, name: str, body: Mapping[str, Any], *, expected: int | None = None) -> int | None:
        sql = _SQL["put" if expected is None else "put_over" if expected else "put_new"]
        given = {"kind": kind, "name": name, "body": rows.as_json(body), "expected": expected}
        found = self._rows(sql, given)
        return found[0][0] if found else None

    def document(self, kind: str, name: str) -> Document | None:
        found = self._rows(_SQL["document"], {"kind": kind, "name": name})
        return _document(found[0]) if found else None

    def documents(self, kind: str, *, prefix: str = "") -> list[Document]:
        return [_document(row) for row in self._rows(_SQL["documents"], {"kind": kind, "prefix": prefix})]

    def delete(self, kind: str, name: str) -> bool:
        return self._count(_SQL["delete"], {"kind": kind, "name": name}) == 1

    def forget(self, *, before: int) -> int:
        return self._count(_SQL["forget"], {"before": before})

    def ping(self) -> None:
        self._rows("SELECT 1", {})

    def close(self) -> None:
        """Close the connections; new ones are made when the store is used again."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _prepare(self, connection: Connection) -> None:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_CREATING,))
        if not _rows(connection, "SELECT 1 FROM pg_namespace WHERE nspname = 'headrace_service'", {}):
            connection.execute(_SQL["create"].encode())
        found = _rows(connection, "SELECT version FROM headrace_service.version", {})
        if found[0][0] > _VERSION:
            raise StateError(
                f"{self._url}: a newer Headrace wrote the schema headrace_service", hint="upgrade this instance"
            )

    def _rows(self, sql: str, given: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        return self._run(lambda connection: _rows(connection, sql, given))

    def _count(self, sql: str, given: Mapping[str, Any]) -> int:
        return self._run(lambda connection: _execute(connection, sql, given).rowcount)

    def _run(self, work: Callable[[Connection], T]) -> T:
        """``work`` in a transaction. A connection that turns out to have died while it lay idle is replaced; whatever
        fails after the transaction began is the caller's to know."""
        with self._room:
            try:
                while True:
                    connection, fresh = self._take()
                    begun = False
                    try:
                        with connection.transaction():
                            begun = True
                            result = work(connection)
                    except self._psycopg.OperationalError:
                        if fresh or begun:
                            raise
                    else:
                        return result
                    finally:
                        self._put_away(connection)
            except self._psycopg.Error as error:
                raise StateError(
                    f"{self._url}: {str(error).strip()}",
                    hint="the service keeps its queue and progress there: is it running, and may this user use (or "
                    "create) the schema headrace_service?",
                ) from error

    def _take(self) -> tuple[Connection, bool]:
        with self._lock:
            if self._idle:
                return self._idle.pop(), False
        try:
            return self._psycopg.connect(self._dsn, autocommit=True, client_encoding="UTF8", **_PATIENCE), True  # type: ignore[arg-type]  # numbers are options too
        except self._psycopg.ProgrammingError:  # libpq quotes what it cannot read, the password too
            raise UsageError(
                f"{self._url} is not the URL of a PostgreSQL database", hint="postgresql://USER@HOST:5432/DATABASE"
            ) from None

    def _put_away(self, connection: Connection) -> None:
        if connection.closed or connection.broken:
            connection.close()
            return
        with self._lock:
            self._idle.append(connection)


class _Again(Exception):
    pass


_ONE = f"SELECT {_COLUMNS} FROM headrace_service.requests WHERE request_id = %(request_id)s"


def _execute(connection: Connection, sql: str, given: Mapping[str, Any]) -> psycopg.Cursor[tuple[Any, ...]]:
    bound = {
        name: [rows.bound(each) for each in value] if isinstance(value, list) else rows.bound(value)
        for name, value in given.items()
    }
    return connection.execute(sql.encode(), bound)


def _rows(connection: Connection, sql: str, given: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    return _execute(connection, sql, given).fetchall()


def _document(row: tuple[Any, ...]) -> Document:
    return Document(row[0], row[1], json.loads(row[2]), row[3])
