"""scd2: every version of a row, from when until when."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from headrace.core.types import ColumnType
from headrace.destinations._connection import Connection
from headrace.destinations._layout import Layout


def write_history(
    db: Connection, layout: Layout, rows: pa.Table, types: Mapping[str, ColumnType], run_id: str, scope: str
) -> None:
    """Fold the rows into the history, one observation after the other."""
    raise NotImplementedError
