"""The statements that a run would begin with, without running them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from headrace.core.tables import TableSpec
from headrace.destinations._session import SqlSession
from headrace.destinations._sql import statements

_READS = frozenset({"physical", "schema_read", "user_views"})


class _Recorder:
    """A connection that reads, and writes down what it is told to change."""

    def __init__(self, db: Any) -> None:
        self._db = db
        self.statements: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    def do(self, name: str, params: Sequence[Any] = (), **identifiers: str) -> list[Any]:
        if name in _READS:
            found: list[Any] = self._db.do(name, params, **identifiers)
            return found
        if name not in statements(self._db.dialect):
            return []
        return self.run(self._db.text(name, **identifiers))

    def run(self, sql: str, params: Sequence[Any] = ()) -> list[Any]:
        if sql.split(None, 1)[:1] and sql.split(None, 1)[0].upper() in ("CREATE", "ALTER", "DROP"):
            self.statements.append(" ".join(sql.split()))
        return []

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Any]) -> None:
        """Bookkeeping: not part of the plan."""

    def alter_type(self, table: str, column: str, before: str, after: str) -> None:
        if self._db.sql_type(before) != self._db.sql_type(after):
            self.run(f'ALTER TABLE "{table}" ALTER COLUMN "{column}" TYPE {self._db.sql_type(after)}')

    def lock_schema(self) -> None:
        """Nothing changes."""

    @contextmanager
    def transaction(self) -> Iterator[None]:
        yield

    @contextmanager
    def views_aside(self, table: str) -> Iterator[None]:
        yield


def statements_of(session: SqlSession, tables: Sequence[TableSpec], raw: Sequence[str]) -> list[str]:
    """What :meth:`~headrace.core.contracts.Session.prepare` would execute that changes the database: what is
    there already is left out."""
    recorder = _Recorder(session.db)
    draft = SqlSession(recorder, session.place)  # type: ignore[arg-type]  # it is a Connection, but for its writes
    draft.prepare(tables, raw)
    return [text for text in recorder.statements if not _changes_nothing(session, text)]


def _changes_nothing(session: SqlSession, text: str) -> bool:
    """Whether ``text`` changes nothing: it makes a table that there is, or drops a view that there is not."""
    made = re.match(r'CREATE TABLE IF NOT EXISTS "((?:[^"]|"")+)"', text)
    dropped = re.match(r'DROP VIEW IF EXISTS "((?:[^"]|"")+)"', text)
    if made:
        return bool(session.db.physical(made[1].replace('""', '"')))
    return dropped is not None and not session.db.physical(dropped[1].replace('""', '"'))
