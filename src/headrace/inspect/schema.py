"""The versions of a table's columns: what came or widened, when, and by which page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from headrace.core.contracts import Destination, Session
from headrace.core.errors import InputError, UsageError
from headrace.core.suggest import did_you_mean
from headrace.inspect.archive import raw_table
from headrace.inspect.steps import extract_steps
from headrace.pipeline.load import from_resolved


@dataclass(frozen=True, slots=True)
class SchemaPage:
    """The answer that changed a table; ``headrace raw`` shows it."""

    run_id: str
    step: str
    slice: str
    number: int


@dataclass(frozen=True, slots=True)
class ColumnVersion:
    """A column as a version of its table made it. ``before`` is its type until then, ``None`` where it is new.
    ``page`` is ``None`` for what the file declares, and where the archive has no such page."""

    version: int
    column: str
    before: str | None
    type: str
    changed_at: str
    run_id: str
    page: SchemaPage | None


def history(session: Session, destination: Destination, table: str) -> list[ColumnVersion]:
    """Every version of every column of ``table``, in order. Raises InputError for a table that no run has made."""
    name = destination.capabilities().fold(table)
    known = _tables(session)
    if name not in known:
        raise InputError(
            f"{destination.url} has no table {table!r} of Headrace's{did_you_mean(name, known)}",
            hint=f"tables: {', '.join(known) or 'none yet'}",
        )
    sql = (
        'SELECT "version", "column", "type", changed_at, run_id, page_id FROM headrace_schemas WHERE "table" = ? '
        'ORDER BY "version", "position"'
    )
    rows = [row for batch in session.query(sql, (name,)) for row in batch.to_pylist()]
    pages = _pages(session, {(str(row["run_id"]), int(row["page_id"])) for row in rows if row["page_id"]})
    types: dict[str, str] = {}
    found = []
    for row in rows:
        column, run_id = row["column"], row["run_id"] or ""
        at = row["changed_at"].isoformat() if hasattr(row["changed_at"], "isoformat") else str(row["changed_at"])
        page = pages.get((run_id, int(row["page_id"] or 0)))
        found.append(ColumnVersion(row["version"], column, types.get(column), row["type"], at, run_id, page))
        types[column] = row["type"]
    return found


def _pages(session: Session, wanted: set[tuple[str, int]]) -> dict[tuple[str, int], SchemaPage]:
    found: dict[tuple[str, int], SchemaPage] = {}
    for run_id in sorted({run_id for run_id, _ in wanted}):
        run = session.run(run_id)
        if run is None:
            continue
        ids = [page_id for other, page_id in wanted if other == run_id]
        for table in {raw_table(step, config) for step, config in extract_steps(from_resolved(run.resolved)).items()}:
            if table is not None:
                found |= {(run_id, page_id): page for page_id, page in _places(session, table, run_id, ids).items()}
    return found


def _places(session: Session, table: str, run_id: str, ids: Sequence[int]) -> dict[int, SchemaPage]:
    quoted = table.replace('"', '""')
    marks = ", ".join("?" * len(ids))
    sql = f'SELECT page_id, step, slice, page_number FROM "{quoted}" WHERE run_id = ? AND page_id IN ({marks})'
    try:
        rows: list[dict[str, Any]] = [r for batch in session.query(sql, (run_id, *ids)) for r in batch.to_pylist()]
    except UsageError:  # the archive was dropped by hand
        return {}
    return {r["page_id"]: SchemaPage(run_id, r["step"], r["slice"], r["page_number"]) for r in rows}


def _tables(session: Session) -> list[str]:
    try:
        batches = session.query('SELECT DISTINCT "table" FROM headrace_schemas ORDER BY 1')
        return [str(value) for batch in batches for value in batch.column(0).to_pylist()]
    except UsageError:  # a database that no run has written to
        return []
