"""A stage loader at work: files are read and checked first; their rows, the ledger and the place are one commit."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from headrace.core import events
from headrace.core.contracts import Session
from headrace.core.errors import DestinationError, InputError, UsageError
from headrace.core.tables import (
    GROUP_ROWS,
    PAGE,
    RECORD,
    Advance,
    Batch,
    Checkpoint,
    Group,
    Rejected,
    StreamKey,
    TableSpec,
    page_id,
)
from headrace.core.templates import as_text, render
from headrace.core.types import ColumnType, widen
from headrace.crawl.context import RunContext
from headrace.crawl.extract import FINISHED
from headrace.crawl.plan import CrawlResult
from headrace.destinations import from_url
from headrace.destinations._rows import ARROW, conform, row_as_json
from headrace.destinations._stage import StageDestination
from headrace.destinations._stage_reader import Commit, StageReader
from headrace.steps.generic.stage_loader import Loaded, StageLoader

LEDGER = "headrace_loads"
_LEDGER: Mapping[str, ColumnType | None] = {
    "stage": "string", "path": "string", "staged_by": "string", "table_name": "string", "rows": "bigint",
    "size": "bigint", "sha256": "string", "run_id": "string", "step": "string", "loaded_at": "timestamp",
}  # fmt: skip
LEDGER_SPEC = TableSpec(LEDGER, "append", _LEDGER)
BYTES = 32 << 20
"""Of files, after which a commit is large enough."""


@dataclass(frozen=True, slots=True)
class Target:
    """One staged table on its way: what it is called there and here, and the types that its columns have by now."""

    source: str
    spec: TableSpec
    names: Mapping[str, str]
    types: Mapping[str, ColumnType]


class Loader:
    """One step, from its mark to its mark."""

    def __init__(self, config: StageLoader, step: str, title: str, ctx: RunContext) -> None:
        self._config, self._step, self._title, self._ctx = config, step, title, ctx
        self._files = 0

    async def run(self) -> CrawlResult:
        ctx = self._ctx
        finished = StreamKey(ctx.run_id, self._step, FINISHED)
        if ctx.resumed and (done := await ctx.database.call(lambda s: s.checkpoint(finished))) is not None:
            return CrawlResult("done", dict(done.memo.get("rows", {})), done.rows, 0, 0, 0)
        ctx.emit(events.StepStarted(ctx.run_id, self._step, self._title))
        with self._stage().reader() as reader:
            targets = await asyncio.to_thread(self._targets, reader)
            await ctx.database.call(lambda s: s.prepare([LEDGER_SPEC, *(target.spec for target in targets)], ()))
            for target in targets:
                await self._refuse_changed(reader, target)
                for run_id in await asyncio.to_thread(reader.runs, ctx.org):
                    await self._load(reader, target, run_id)
                    if ctx.stop.is_set():
                        return CrawlResult("interrupted", await self._rows(targets), 0, self._files, 0, 0)
        rows = await self._rows(targets)
        token = ctx.clock.random_bytes(8).hex()
        mark = Checkpoint(finished, 0, None, True, token, sum(rows.values()), {"rows": rows, "at": ctx.clock.now()})
        group = Group(run_id=ctx.run_id, scope=ctx.scope, advances=[Advance(None, mark)])
        await ctx.database.call(lambda s: s.commit(group))
        return CrawlResult("done", rows, sum(rows.values()), self._files, 0, 0)

    def _stage(self) -> StageDestination:
        place = f"step {self._step}, stage"
        found = from_url(as_text(render(self._config.stage, self._ctx.lookup)))
        if not isinstance(found, StageDestination):
            raise InputError(
                f"{found.url} holds no staged files", hint="write file:///stage or s3://bucket", place=place
            )
        return found

    def _targets(self, reader: StageReader) -> list[Target]:
        wanted = self._config.tables or [Loaded(table=name) for name in sorted(reader.tables())]
        return [self._target(each, reader.columns(each.table)) for each in wanted]

    def _target(self, config: Loaded, columns: Mapping[str, ColumnType]) -> Target:
        fold = self._ctx.database.capabilities.fold
        names = {name: fold(name) for name in columns}
        place = f"step {self._step}, table {config.table}"
        if len(set(names.values())) < len(names):
            raise InputError("two columns of this table have one name in this destination", place=place)
        key = tuple(map(fold, config.key))
        if missing := [name for name in key if name not in names.values()]:
            raise InputError(f"it has no column {missing[0]!r} to be its key", place=place)
        types = {names[name]: type for name, type in columns.items()}
        spec = TableSpec(
            fold(config.into or config.table), config.write, types, key, membership=bool(key), open_ended=True
        )
        return Target(config.table, spec, names, types)

    async def _refuse_changed(self, reader: StageReader, target: Target) -> None:
        """Whether files that were loaded are what they were."""
        sql = f"SELECT path, size, sha256, loaded_at FROM {LEDGER} WHERE stage = ? AND table_name = ?"

        def loaded(session: Session) -> dict[str, tuple[int, str, int]]:
            found = {}
            for batch in session.query(sql, (reader.id, target.spec.name)):
                for row in batch.to_pylist():
                    at = _micros(row["loaded_at"])
                    found[str(row["path"])] = (int(row["size"]), str(row["sha256"]), at)
            return found

        known = await self._ctx.database.call(loaded)
        changed = await asyncio.to_thread(lambda: next(reader.changed(target.source, known), None))
        if changed is not None:
            raise DestinationError(
                f"{changed} has changed since it was loaded",
                hint="staged files are never changed: put back what was there, or stage the rows again by another run",
                place=reader.place,
            )

    async def _load(self, reader: StageReader, target: Target, run_id: str) -> None:
        """What one staged run has added to the table since the last load."""
        ctx = self._ctx
        fold, name = ctx.database.capabilities.fold, target.spec.name
        place = name if name == fold(target.source) else f"{name} from {target.source}"  # several may go into one
        key = StreamKey(f"stage:{reader.id}", place, run_id)
        at = await ctx.database.call(lambda s: s.checkpoint(key))
        commits = reader.commits(run_id, target.source, after=at.page_number if at is not None else 0)
        groups = _grouped(takewhile(lambda each: all(_fits(target, part.columns) for part in each.parts), commits))
        while (several := await asyncio.to_thread(next, groups, None)) is not None:
            group, after = await asyncio.to_thread(self._group, reader, target, key, at, several)
            receipt = await ctx.database.call(lambda s, group=group: s.commit(group))  # type: ignore[misc]  # bound now
            at = after
            files = sum(len(each.parts) for each in several)
            self._files += files
            rows = {target.spec.name: receipt.rows.get(target.spec.name, 0)}
            ctx.emit(
                events.BatchCommitted(ctx.run_id, self._step, files, rows, None, after.page_number, receipt.seconds)
            )
            refused = [*group.rejected, *receipt.rejected]
            if refused:
                ctx.emit(events.RecordsRejected(ctx.run_id, target.spec.name, len(refused), refused[0].reason))
            if ctx.stop.is_set():
                return

    def _group(
        self, reader: StageReader, target: Target, key: StreamKey, at: Checkpoint | None, several: Sequence[Commit]
    ) -> tuple[Group, Checkpoint]:
        ctx = self._ctx
        parts = [part for each in several for part in each.parts]
        batches: list[Batch] = []
        rejected: list[Rejected] = []
        for part in parts:
            rows, refused = _rows_of(target, conform(reader.read(part), part.columns, _wanted(target, part.columns)))
            batches += [Batch(target.spec.name, each, target.types) for each in rows.combine_chunks().to_batches()]
            rejected += refused
        now = ctx.clock.now()
        loads = [
            {"stage": reader.id, "path": part.path, "staged_by": key.slice, "table_name": target.spec.name,
             "rows": part.rows, "size": part.size, "sha256": part.sha256, "run_id": ctx.run_id, "step": self._step,
             "loaded_at": now, PAGE: page_id(now, key, several[-1].number), RECORD: record}
            for record, part in enumerate(parts)
        ]  # fmt: skip
        ledger: dict[str, ColumnType] = {name: type or "string" for name, type in _LEDGER.items()}
        schema = pa.schema([(name, ARROW[type]) for name, type in {**ledger, PAGE: "bigint", RECORD: "bigint"}.items()])
        batches.append(Batch(LEDGER, pa.RecordBatch.from_pylist(loads, schema=schema), ledger))
        rows_so_far = (at.rows if at is not None else 0) + sum(part.rows for part in parts)
        after = Checkpoint(key, several[-1].number, None, False, ctx.clock.random_bytes(8).hex(), rows_so_far)
        return Group(
            run_id=ctx.run_id, scope=ctx.scope, advances=[Advance(at, after)], batches=batches, rejected=rejected
        ), after

    async def _rows(self, targets: Sequence[Target]) -> dict[str, int]:
        """What all calls of this run have loaded."""
        sql = f'SELECT table_name, sum("rows") AS n FROM {LEDGER} WHERE run_id = ? AND step = ? GROUP BY table_name'
        found = await self._ctx.database.call(lambda s: list(s.query(sql, (self._ctx.run_id, self._step))))
        loaded = {str(row["table_name"]): int(row["n"]) for batch in found for row in batch.to_pylist()}
        return {target.spec.name: loaded.get(target.spec.name, 0) for target in targets}


def _grouped(commits: Iterator[Commit]) -> Iterator[list[Commit]]:
    """As many commits as make one here; a manifest's files stay together."""
    several: list[Commit] = []
    rows = size = 0
    for each in commits:
        several.append(each)
        rows += sum(part.rows for part in each.parts)
        size += sum(part.size for part in each.parts)
        if rows >= GROUP_ROWS or size >= BYTES:
            yield several
            several, rows, size = [], 0, 0
    if several:
        yield several


def _fits(target: Target, columns: Mapping[str, ColumnType]) -> bool:
    """Whether a part has only columns that were known when this load began; what was staged since waits for the next."""
    known = {name: target.types.get(target.names.get(name, "")) for name in columns if name not in (PAGE, RECORD)}
    return all(type is not None and widen(type, columns[name]) == type for name, type in known.items())


def _wanted(target: Target, columns: Mapping[str, ColumnType]) -> dict[str, ColumnType]:
    """The types that a part's columns have by now."""
    return {name: target.types[target.names[name]] for name in columns if name in target.names}


def _rows_of(target: Target, rows: pa.Table) -> tuple[pa.Table, list[Rejected]]:
    """A part's rows under the names that the destination has, all of the table's columns; those without a key apart."""
    rows = rows.rename_columns([target.names.get(name, name) for name in rows.column_names])
    missing = {name: type for name, type in target.types.items() if name not in rows.column_names}
    for name, type in missing.items():
        rows = rows.append_column(pa.field(name, ARROW[type]), pa.array([None] * rows.num_rows, ARROW[type]))
    rows = rows.select([*target.types, PAGE, RECORD])
    rejected: list[Rejected] = []
    for name in target.spec.key:
        values: list[Any] = rows.column(name).to_pylist()
        for index in [index for index, value in enumerate(values) if value is None]:
            page, record = (int(rows.column(each)[index].as_py()) for each in (PAGE, RECORD))
            rejected.append(
                Rejected(target.spec.name, page, record, "the key is empty", name, row_as_json(rows, index))
            )
        rows = rows.filter(pc.is_valid(rows.column(name)))
    return rows, rejected


def _micros(value: Any) -> int:
    """A moment as databases give it, in microseconds since 1970."""
    from datetime import UTC, datetime

    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if not isinstance(value, datetime):
        raise UsageError(f"{LEDGER} holds {value!r} where a moment belongs")
    moment = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1_000_000)
