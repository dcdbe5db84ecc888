"""Finding the rows that a database refuses, by halving."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pyarrow as pa

from headrace.core.types import ColumnType
from headrace.destinations._connection import Connection
from headrace.destinations._rows import ARROW


def find_refused(
    db: Connection, rows: pa.Table, try_insert: Callable[[pa.Table], None], types: Mapping[str, ColumnType]
) -> dict[int, tuple[str, str]]:
    """Index of each refused row to (reason, column). ``try_insert`` raises what the database says."""

    def attempt(part: pa.Table) -> str | None:
        try:
            try_insert(part)
        except Exception as error:
            if not db.is_data_error(error):
                raise
            return str(error).strip().splitlines()[0]
        return None

    def culprit(row: pa.Table) -> str:
        for at, name in enumerate(row.column_names):
            if name in types:
                empty = row.set_column(at, pa.field(name, ARROW[types[name]]), pa.array([None], ARROW[types[name]]))
                if attempt(empty) is None:
                    return name
        return ""

    found: dict[int, tuple[str, str]] = {}
    stack = [(0, rows.num_rows)]
    while stack:
        start, length = stack.pop()
        part = rows.slice(start, length)
        reason = attempt(part)
        if reason is None:
            continue
        if length == 1:
            found[start] = (reason, culprit(part))
        else:
            half = length // 2
            stack += [(start, half), (start + half, length - half)]
    return found
