"""Which archived page belongs to what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headrace.core.contracts import Session
from headrace.core.errors import ArchiveMissing, InputError
from headrace.core.suggest import did_you_mean
from headrace.core.tables import RawPage, RunRecord
from headrace.inspect.steps import extract_steps
from headrace.pipeline.load import from_resolved
from headrace.steps.generic.api_extractor import ApiExtractor


def raw_table(step: str, config: ApiExtractor) -> str | None:
    """The archive of a step; ``None`` when it keeps none."""
    return (config.raw.table or f"{step}_raw_pages") if config.raw else None


def stored_runs(session: Session) -> list[RunRecord]:
    """Every run of the database, the latest first."""
    return session.runs(limit=1_000_000)


def find_run(session: Session, run_id: str, place: str) -> RunRecord:
    """The run called ``run_id``. Raises InputError, with the nearest name."""
    found = session.run(run_id)
    if found is None:
        known = [run.run_id for run in session.runs(limit=1000)]
        raise InputError(
            f"{place} has no run {run_id!r}{did_you_mean(run_id, known)}",
            hint=f"`headrace runs --destination {place}` lists what it has" if known else "it has no run at all",
        )
    return found


def raw_tables(runs: Sequence[RunRecord]) -> dict[str, ApiExtractor]:
    """The archives of these runs' steps, and the latest configuration that wrote each."""
    found: dict[str, ApiExtractor] = {}
    for run in runs:
        for step, config in extract_steps(from_resolved(run.resolved)).items():
            table = raw_table(step, config)
            if table is not None:
                found.setdefault(table, config)
    return found


def find_page(
    session: Session, run: RunRecord, number: int, *, step: str | None = None, part: str | None = None
) -> RawPage:
    """Page ``number`` of a run. Raises InputError when it does not exist or several fit, ArchiveMissing when
    its body was purged or never kept."""
    steps = extract_steps(from_resolved(run.resolved))
    if step is None and len(steps) > 1:
        raise InputError(f"run {run.run_id} has several steps", hint=f"add --step: {', '.join(steps)}")
    name = step or next(iter(steps), "")
    if name not in steps:
        raise InputError(
            f"run {run.run_id} has no extract step {name!r}{did_you_mean(name, steps)}",
            hint=f"its extract steps: {', '.join(steps) or 'none'}",
        )
    table = raw_table(name, steps[name])
    if table is None:
        raise ArchiveMissing("this step keeps no archive (raw: false)", place=f"step {name}")
    where = "run_id = ? AND step = ? AND page_number = ?"
    slices = _column(
        session, f"SELECT slice FROM {_quote(table)} WHERE {where} ORDER BY slice", run.run_id, name, number
    )
    if part is not None and part not in slices:
        raise InputError(
            f"there is no page {number} of slice {part!r}{did_you_mean(part, slices)}",
            hint=f"slices with that page: {_few(slices)}" if slices else _range(session, table, run.run_id, name),
        )
    if not slices:
        raise InputError(f"run {run.run_id} has no page {number}", hint=_range(session, table, run.run_id, name))
    if part is None and len(slices) > 1:
        raise InputError(f"{len(slices):,} slices have a page {number}", hint=f"add --slice: {_few(slices)}")
    wanted = part if part is not None else slices[0]
    key = _column(
        session, f"SELECT page_id FROM {_quote(table)} WHERE {where} AND slice = ?", run.run_id, name, number, wanted
    )
    pages = session.raw_pages(table, run_id=run.run_id, page_number=number, page_id=int(key[0]))
    return next(page for page in pages if page.step == name and page.slice == wanted)


def _few(names: Sequence[Any]) -> str:
    return ", ".join(map(str, names[:10])) + (", …" if len(names) > 10 else "")


def _range(session: Session, table: str, run_id: str, step: str) -> str:
    sql = f"SELECT min(page_number), max(page_number) FROM {_quote(table)} WHERE run_id = ? AND step = ?"
    row = next((tuple(r.values()) for b in session.query(sql, (run_id, step)) for r in b.to_pylist()), (None, None))
    return f"it has pages {row[0]} to {row[1]}" if row[0] is not None else "it has no page yet"


def _column(session: Session, sql: str, *params: Any) -> list[Any]:
    return [value for batch in session.query(sql, params) for value in batch.column(0).to_pylist()]


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
