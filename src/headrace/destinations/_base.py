"""What every part of a session stands on: the connection, the tables it has prepared, transactions."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from headrace.core.errors import DestinationError, HeadraceError, UsageError
from headrace.core.tables import TableSpec
from headrace.core.types import ColumnType
from headrace.destinations._connection import Connection, Row
from headrace.destinations._layout import Layout, dump_spec, load_spec
from headrace.destinations._tables import Tables


def now() -> int:
    """Microseconds since 1970 UTC."""
    return time.time_ns() // 1000


def as_json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))  # ASCII: a cursor may hold what no database takes as text


class SessionBase:
    """A connection and the layouts of its tables; ``place`` names the database in errors."""

    def __init__(self, db: Connection, place: str) -> None:
        self.db, self.place = db, place
        self.tables = Tables(db, now)
        self._layouts: dict[str, Layout] = {}
        self._checkpointing = True
        self._name: Callable[[TableSpec], Layout] | None = None

    @contextmanager
    def transaction(self, what: str) -> Iterator[None]:
        """All of the block or nothing; errors name ``what`` was being done."""
        try:
            with self.db.transaction():
                yield
        except HeadraceError:
            raise
        except Exception as error:
            raise DestinationError(f"{what}: {error}", place=self.place) from error

    def _optional(self, table: str, statement: str, params: Sequence[Any]) -> list[Row]:
        """Rows of an engine table, which a database that nobody has run into yet does not have."""
        return self.db.do(statement, params) if self.db.physical(table) else []

    def prepare(self, tables: Sequence[TableSpec], raw: Sequence[str]) -> None:
        for spec in tables:
            self._layouts[spec.name] = self.new_layout(spec)
        with self.transaction("preparing tables"):
            self.db.lock_schema()
            self.tables.create_engine_tables()
            for name in raw:
                self.tables.create_raw(name)
            for spec in tables:
                try:
                    self.tables.ensure(self._layouts[spec.name])
                except Exception as error:
                    if isinstance(error, HeadraceError):
                        raise
                    raise DestinationError(
                        f"table {spec.name} cannot be prepared: {error}", place=self.place
                    ) from error
                if self._checkpointing:
                    self.keep_spec(spec)

    def new_layout(self, spec: TableSpec) -> Layout:
        return self._name(spec) if self._name else Layout(spec, spec.name, self.db.max_name)

    def _layout(self, table: str) -> Layout:
        """As prepared here, else as another session prepared it."""
        found = self._layouts.get(table)
        if found is None:
            stored = self._optional("headrace_tables", "spec_read", (table,))
            if not stored:
                raise UsageError(f"table {table} was not prepared")
            found = self._layouts[table] = self.new_layout(load_spec(stored[0][0]))
        return found

    def keep_spec(self, spec: TableSpec) -> None:
        """Store the declaration, for sessions that work on the table without one."""
        text = dump_spec(spec)
        if self.db.do("spec_read", (spec.name,)) != [(text,)]:
            self.db.do("spec_delete", (spec.name,))
            self.db.insert("headrace_tables", ("table", "spec"), [(spec.name, text)])

    def columns(self, table: str) -> dict[str, ColumnType]:
        name = self._layouts[table].name if table in self._layouts else table
        if not self.db.physical(name) or not self.db.physical("headrace_schemas"):
            return {}
        return self.tables.types([name])[name]
