"""Tables rebuilt beside the old ones and exchanged at the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from headrace.core.tables import TableSpec

if TYPE_CHECKING:
    from headrace.destinations._session import SqlSession


@contextmanager
def rebuild(session: SqlSession, tables: Sequence[TableSpec]) -> Iterator[SqlSession]:
    raise NotImplementedError
    yield session
