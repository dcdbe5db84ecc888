"""Reading tables back: values are brought to one form, whatever a destination returns them as."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from headrace.core.contracts import Session
from headrace.core.tables import StreamKey, TableSpec
from headrace.core.types import ColumnType

from .build import RAW

Rows = list[tuple[Any, ...]]


def quoted(name: str) -> str:
    """A name as a delimited identifier of standard SQL."""
    return '"' + name.replace('"', '""') + '"'


def fetch(session: Session, sql: str, params: Sequence[Any] = ()) -> Rows:
    """Every row of a query as plain Python."""
    return [tuple(row.values()) for one in session.query(sql, params) for row in one.to_pylist()]


def rows(session: Session, table: str, columns: Sequence[str] | Mapping[str, ColumnType | None]) -> Rows:
    """The table's rows in a fixed order. Values are normalised where ``columns`` gives types."""
    kinds = columns if isinstance(columns, Mapping) else dict.fromkeys(columns)
    found = fetch(session, f"SELECT {', '.join(map(quoted, kinds))} FROM {quoted(table)}")
    plain = [tuple(map(normal, row, kinds.values())) for row in found]
    return in_order(plain)


def in_order(found: Rows) -> Rows:
    return sorted(found, key=lambda row: [(value is None, str(value)) for value in row])


def contents(session: Session, spec: TableSpec) -> Rows:
    """The spec's own columns of its table."""
    return rows(session, spec.name, spec.columns)


def count(session: Session, table: str) -> int:
    return int(fetch(session, f"SELECT count(*) FROM {quoted(table)}")[0][0])


def normal(value: Any, kind: ColumnType | None) -> Any:
    """``value`` as the Python type that means ``kind``: what SQLite keeps as text or integer compares
    equal to what PostgreSQL has a type for."""
    if value is None or kind is None:
        return value
    if kind == "bool":
        return bool(value)
    if kind == "decimal":
        return Decimal(str(value))
    if kind == "timestamp":
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    if kind == "date":
        return value if isinstance(value, date) else date.fromisoformat(str(value))
    return bytes(value) if kind == "binary" else value


def everything(session: Session, specs: Sequence[TableSpec], keys: Sequence[StreamKey]) -> dict[str, Any]:
    """All that a commit may change, for comparing before with after."""
    state: dict[str, Any] = {}
    for spec in specs:
        types = session.columns(spec.name)
        state[spec.name] = (types, rows(session, spec.name, list(types)))
        state[spec.name + "_rejected"] = count(session, spec.name + "_rejected")
        if spec.membership:
            state[spec.name + "_seen"] = count(session, spec.name + "_seen")
    state["checkpoints"] = [session.checkpoint(key) for key in keys]
    state["raw"] = list(session.raw_pages(RAW))
    state["removals"] = session.removals()
    return state
