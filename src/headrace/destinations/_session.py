"""A session on an SQL database: everything is written once, on top of a :class:`Connection`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from headrace.core.errors import ArchiveMissing
from headrace.core.tables import RawPage, TableSpec
from headrace.destinations._cleaning import Cleaning
from headrace.destinations._commit import Commits
from headrace.destinations._layout import Layout

if TYPE_CHECKING:
    import pyarrow as pa

    from headrace.core.contracts import Session


class SqlSession(Commits, Cleaning):
    """A :class:`~headrace.core.contracts.Session` on a :class:`~headrace.destinations._connection.Connection`."""

    def beside(self, name: Callable[[TableSpec], Layout]) -> SqlSession:
        """A session on the same connection that keeps its tables under other names and moves no checkpoint."""
        other = type(self)(self.db, self.place)
        other._name, other._checkpointing = name, False
        return other

    def raw_pages(
        self, table: str, *, run_id: str | None = None, page_number: int | None = None, page_id: int | None = None
    ) -> Iterator[RawPage]:
        from headrace.destinations._archive import read

        if not self.db.physical(table):
            raise ArchiveMissing(
                f"there is no archive {table}", place=self.place, hint="the step has raw: false, or never ran"
            )
        return read(self.db, table, run_id=run_id, page_number=page_number, page_id=page_id)

    def query(self, sql: str, params: Sequence[Any] = ()) -> Iterator[pa.RecordBatch]:
        return self.db.query(sql, params)

    def rebuild(self, tables: Sequence[TableSpec]) -> AbstractContextManager[SqlSession]:
        from headrace.destinations._rebuild import rebuild

        return rebuild(self, tables)

    def rehearse(self, tables: Sequence[str]) -> AbstractContextManager[Session]:
        from headrace.destinations._rehearse import rehearse

        return rehearse(self, tables)
