"""The corpus of SQL constructs: what each file says, and the table that all of them read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from headrace.core.contracts import Destination, Session
from headrace.core.types import ColumnType
from headrace.testing.destination.build import Writer, page, table

FOLDER = Path(__file__).parents[1] / "sql_corpus"
DESTINATIONS = ("duckdb", "postgresql", "sqlite")
COLUMNS: Mapping[str, ColumnType] = {
    "id": "bigint", "name": "string", "amount": "float", "qty": "bigint", "active": "bool", "day": "date",
    "at": "timestamp", "payload": "json",
}  # fmt: skip
EVENTS = table("events", "append", COLUMNS, membership=False)
ROWS: list[dict[str, Any]] = [
    {
        "id": 1, "name": "Ann", "amount": 10.5, "qty": 3, "active": True, "day": date(2024, 1, 31),
        "at": datetime(2024, 1, 31, 10, 30, tzinfo=UTC),
        "payload": '{"id": 1, "tags": ["a", "b"], "who": {"name": "Ann", "age": 30},'
        ' "items": [{"sku": "x", "n": 2}, {"sku": "y", "n": 1}]}',
    },
    {
        "id": 2, "name": "bob", "amount": 20.0, "active": False, "day": date(2024, 2, 29),
        "at": datetime(2024, 2, 29, 23, 59, 59, 500000, tzinfo=UTC),
        "payload": '{"id": 2, "tags": [], "who": {"name": "bob", "age": null}, "items": []}',
    },
    {
        "id": 3, "name": "Çelik ", "qty": 7, "day": date(2024, 3, 1), "at": datetime(2024, 3, 1, tzinfo=UTC),
        "payload": '{"id": "3", "tags": ["c"], "who": null, "items": [{"sku": "z", "n": 5}], "ok": true}',
    },
    {"id": 4, "amount": -2.5, "qty": -7, "active": True},
]  # fmt: skip


@dataclass(frozen=True)
class Construct:
    """One file: what it shows, in which dialect, and what comes of it (``refused`` by destination)."""

    name: str
    title: str
    dialect: str
    sql: str
    rows: list[list[Any]] | None
    refused: Mapping[str, str]


def constructs() -> list[Construct]:
    return [_read(path) for path in sorted(FOLDER.glob("*.sql"))]


def _read(path: Path) -> Construct:
    head, sql = {}, []
    refused: dict[str, str] = {}
    for line in path.read_text("utf-8").splitlines():
        found = re.match(r"-- (construct|dialect|rows|refused)(?: \((.*?)\))?: (.*)", line)
        if found and found[1] == "refused":
            refused |= dict.fromkeys(found[2].split(", "), found[3])
        elif found:
            head[found[1]] = found[3]
        else:
            sql.append(line)
    rows = json.loads(head["rows"]) if "rows" in head else None
    return Construct(path.stem, head["construct"], head["dialect"], "\n".join(sql), rows, refused)


def markdown() -> str:
    """The page of the docs that lists the corpus."""
    found = constructs()
    same = [case for case in found if not case.refused]
    lines = [
        "# SQL constructs",
        "",
        "<!-- written from tests/sql_corpus: HEADRACE_UPDATE_SNAPSHOTS=1 pytest tests/sql -->",
        "",
        f"What [SQL steps](guide/sql.md) are tried with: {len(found)} constructs, of which {len(same)} give the same rows on every destination.",
        "The others are refused by name, by `headrace check` as by `headrace run`, or run only in the destination's own dialect.",
    ]
    for dialect, title in (("bigquery", "BigQuery"), ("snowflake", "Snowflake"), ("postgresql", "PostgreSQL")):
        lines += [
            "",
            f"## {title}",
            "",
            "| construct | for example | DuckDB | PostgreSQL | SQLite |",
            "|---|---|---|---|---|",
        ]
        for case in sorted(
            (c for c in found if c.dialect == dialect), key=lambda c: (bool(c.refused), c.title.lower())
        ):
            shown = " ".join(case.sql.split()).replace("|", "\\|")
            marks = ["refused" if kind in case.refused else "same" for kind in DESTINATIONS]
            title_ = case.title.replace("|", "\\|")
            lines.append(f"| {title_} | ``{shown}`` | {' | '.join(marks)} |")
    return "\n".join(lines) + "\n"


def fill(destination: Destination) -> None:
    """Make the table that the corpus reads."""
    with destination.open() as session:
        Writer(session).prepare(EVENTS).commit(page(1, EVENTS, ROWS))


def result(session: Session, name: str, wanted: list[list[Any]]) -> list[list[Any]]:
    """The rows of a table, values in the form in which the corpus writes them, in a fixed order."""
    found = [list(row.values()) for batch in session.query(f'SELECT * FROM "{name}"') for row in batch.to_pylist()]
    parsed = any(isinstance(value, list | dict) for row in wanted for value in row)
    numbers = {at for row in wanted for at, value in enumerate(row) if isinstance(value, int | float)}
    for row in found:  # exact decimals come as texts
        for at in numbers:
            row[at] = float(row[at]) if isinstance(row[at], str) else row[at]
    return in_order([[_plain(value, parsed) for value in row] for row in found])


def in_order(rows: list[list[Any]]) -> list[list[Any]]:
    return sorted(([_plain(value, False) for value in row] for row in rows), key=lambda row: [repr(v) for v in row])


def _plain(value: Any, parsed: bool) -> Any:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, float):
        return round(value, 9)
    if parsed and isinstance(value, str) and value[:1] in ("[", "{"):
        return json.loads(value)
    return value
