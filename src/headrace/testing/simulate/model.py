"""A destination in memory that keeps the commit protocol: all or nothing, compare-and-set, fault points.

Rows are kept as they were committed; what a disposition makes of them is the contract suite's matter.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from headrace.core import faults
from headrace.core.contracts import Limits
from headrace.core.errors import Fenced
from headrace.core.tables import (
    Batch,
    Checkpoint,
    Finish,
    Group,
    RawPage,
    Receipt,
    RunRecord,
    SchemaChange,
    SliceState,
    StreamKey,
    TableSpec,
)
from headrace.core.templates import Lookup
from headrace.core.types import ColumnType
from headrace.mapping.config import Table
from headrace.mapping.mapper import Mapped, PageText
from headrace.testing.simulate import scratch

Row = tuple[int, int, Any, Any, Any]
"""page id, record, id, name, v."""


@dataclass
class Store:
    """What survives the processes."""

    runs: dict[str, RunRecord] = field(default_factory=dict)
    checkpoints: dict[StreamKey, Checkpoint] = field(default_factory=dict)
    slices: dict[str, dict[str, SliceState]] = field(default_factory=dict)
    pages: list[RawPage] = field(default_factory=list)
    rows: dict[str, list[Row]] = field(default_factory=dict)
    types: dict[str, dict[str, ColumnType]] = field(default_factory=dict)
    finishes: list[Finish] = field(default_factory=list)


class ModelSession:
    """The part of :class:`~headrace.core.contracts.Session` that a crawl needs."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def run(self, run_id: str) -> RunRecord | None:
        return self._store.runs.get(run_id)

    def save_run(self, run: RunRecord) -> None:
        faults.point("run.saved")
        self._store.runs[run.run_id] = run

    def prepare(self, tables: Sequence[TableSpec], raw: Sequence[str]) -> None:
        for spec in tables:
            self._store.types.setdefault(spec.name, {})

    def columns(self, table: str) -> dict[str, ColumnType]:
        return self._store.types.get(table, {})

    def checkpoint(self, key: StreamKey) -> Checkpoint | None:
        found = self._store.checkpoints.get(key)
        return found and _read_back(found)

    def checkpoints(self, run_id: str) -> list[Checkpoint]:
        return [_read_back(at) for key, at in self._store.checkpoints.items() if key.run_id == run_id]

    def freeze_slices(self, run_id: str, step: str, slices: Iterable[SliceState]) -> int:
        frozen = self._store.slices.setdefault(step, {})
        if not frozen:
            frozen.update({state.name: state for state in slices})
        return len(frozen)

    def slices(
        self, run_id: str, step: str, *, status: Sequence[str] = (), after: int = -1, limit: int = 1000
    ) -> list[SliceState]:
        found = [s for s in self._store.slices.get(step, {}).values() if s.position > after]
        return sorted((s for s in found if not status or s.status in status), key=lambda s: s.position)[:limit]

    def query(self, sql: str, params: Sequence[Any] = ()) -> Iterator[pa.RecordBatch]:
        return scratch.query(self._store, sql, params)

    def commit(self, group: Group) -> Receipt:
        store = self._store
        faults.point("commit.begin")
        for advance in group.advances:
            self._fence(advance.expected, store.checkpoints.get(advance.at.key))
            faults.point("commit.sql")
        faults.point("commit.staged")
        faults.point("commit.before_commit")
        for advance in group.advances:
            store.checkpoints[advance.at.key] = _written(advance.at)
        for batch in group.batches:
            store.rows.setdefault(batch.table, []).extend(batch.rows)  # type: ignore[arg-type]  # LightMapper's rows
        store.pages += group.pages
        for change in group.changes:
            store.types.setdefault(change.table, {})[change.column] = change.after
        for step, state in group.slices:
            store.slices[step][state.name] = state
        if group.finish is not None:
            store.finishes.append(group.finish)
        faults.point("commit.after_commit")
        return Receipt({batch.table: len(batch.rows) for batch in group.batches})

    def _fence(self, expected: Checkpoint | None, found: Checkpoint | None) -> None:
        if (expected and expected.attempt) != (found and found.attempt):
            raise Fenced("another process has moved this stream")


def _written(at: Checkpoint) -> Checkpoint:
    """As the database keeps it: plain JSON, or it fails here."""
    return replace(at, cursor_next=json.dumps(at.cursor_next), memo={"": json.dumps(at.memo)})


def _read_back(kept: Checkpoint) -> Checkpoint:
    return replace(kept, cursor_next=json.loads(kept.cursor_next), memo=json.loads(kept.memo[""]))


class LightMapper:
    """Stands for :class:`~headrace.mapping.mapper.Mapper` beside :class:`ModelSession`: the columns id, name
    and v of one table as plain rows. Building the real one costs more than a simulated crash may."""

    def __init__(
        self, tables: Sequence[Table], *, known: Mapping[str, Mapping[str, ColumnType]], limits: Limits, lookup: Lookup,
        fold: Any = str,
    ) -> None:  # fmt: skip
        self.specs = tuple(_spec(table.table, table.disposition) for table in tables)
        self.withheld = frozenset[str]()
        self._type: ColumnType = known.get(self.specs[0].name, {}).get("v", "untyped")

    def map(self, records: bytes, *, page_id: int, fetched_at: int) -> Mapped:
        table = self.specs[0].name
        items = json.loads(records)
        rows = [(page_id, number, item["id"], item["name"], item["v"]) for number, item in enumerate(items)]
        changes: tuple[SchemaChange, ...] = ()
        kinds = {type(row[4]) for row in rows}
        after: ColumnType = "string" if str in kinds or self._type == "string" else "int" if kinds else self._type
        if after != self._type:
            changes = (SchemaChange(table, "v", self._type, after, page_id),)
            self._type = after
        batches = (Batch(table, rows, {"v": after}),) if rows else ()  # type: ignore[arg-type]  # plain rows
        return Mapped(batches, (), changes, len(rows))

    def map_together(self, pages: Sequence[PageText]) -> Mapped | None:
        before = self._type
        mapped = [self.map(page.records, page_id=page.page_id, fetched_at=page.fetched_at) for page in pages]
        if any(one.changes for one in mapped):
            self._type = before
            return None
        batches = tuple(batch for one in mapped for batch in one.batches)
        return Mapped(batches, (), (), sum(one.count for one in mapped))

    def gather(self, batches: Sequence[Batch]) -> Sequence[Batch]:
        return batches


def _spec(name: str, write: Any) -> TableSpec:
    return TableSpec(name, write, {"id": "int", "name": "string", "v": None})
