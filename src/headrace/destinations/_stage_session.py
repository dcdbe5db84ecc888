"""A session on a staged destination."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from typing import TYPE_CHECKING, Any, NoReturn
from uuid import uuid4

from headrace.core.errors import ArchiveMissing, CannotOpen, NotSupported, UsageError
from headrace.core.tables import (
    Checkpoint,
    Group,
    RawPage,
    Receipt,
    Removals,
    RunRecord,
    SliceState,
    StreamKey,
    TableSpec,
)
from headrace.core.types import ColumnType
from headrace.destinations import _stage_names as names
from headrace.destinations._base import as_json, now
from headrace.destinations._stage_archive import read_pages, sweep
from headrace.destinations._stage_commit import Committer
from headrace.destinations._stage_lease import leased
from headrace.destinations._stage_log import RunLog
from headrace.destinations._stage_parts import Compression, Format
from headrace.destinations._stage_runs import Runs, Slices
from headrace.destinations._stage_tables import Tables
from headrace.storage.retry import Retrying

if TYPE_CHECKING:
    import pyarrow as pa

    from headrace.core.contracts import Session

VERSION = 1
"""Of the layout below the root."""


class StageSession:
    """A :class:`~headrace.core.contracts.Session` on objects: it only adds."""

    def __init__(self, store: Retrying, form: tuple[Format, Compression], *, read_only: bool) -> None:
        self._store, self._form, self._read_only = store, form, read_only
        self._tables, self._runs = Tables(store), Runs(store)
        self._logs: dict[str, RunLog] = {}
        self._committers: dict[str, Committer] = {}
        self._begun = False
        found = store.get(names.FORMAT)
        if found is not None:
            self._check(found)
        elif read_only:
            raise CannotOpen("no run has staged anything here", place=store.place, hint="headrace run makes it")

    def _check(self, found: bytes) -> None:
        if json.loads(found)["version"] != VERSION:
            raise CannotOpen(
                "this was staged by a newer Headrace", place=self._store.place, hint="update Headrace to use it"
            )
        self._begun = True

    def _writing(self) -> None:
        """Before anything is written."""
        if self._read_only:
            raise UsageError("this session only reads")
        if not self._begun:
            self._store.create(names.FORMAT, _format())
            self._begun = True

    def _log(self, run_id: str) -> RunLog:
        if run_id not in self._logs:
            self._logs[run_id] = RunLog(self._store, run_id)
        return self._logs[run_id]

    def _fresh(self, run_id: str) -> RunLog:
        if run_id in self._logs:
            self._logs[run_id].refresh()
        return self._log(run_id)

    def lease(self, run_id: str, owner: str) -> AbstractContextManager[None]:
        self._writing()
        return leased(self._store, run_id, owner)

    def run(self, run_id: str) -> RunRecord | None:
        return self._runs.read(run_id)

    def runs(self, *, pipeline: str | None = None, limit: int = 100) -> list[RunRecord]:
        return list(islice((run for run in self._runs.latest() if pipeline in (None, run.pipeline)), limit))

    def save_run(self, run: RunRecord) -> None:
        self._writing()
        self._runs.save(run)

    def prepare(self, tables: Sequence[TableSpec], raw: Sequence[str]) -> None:
        self._writing()
        for spec in tables:
            self._tables.declare(spec)
        for name in raw:
            self._tables.declare_raw(name)

    def columns(self, table: str) -> dict[str, ColumnType]:
        found = self._tables.read(table)
        return dict(found.columns) if found is not None else {}

    def checkpoint(self, key: StreamKey) -> Checkpoint | None:
        return self._fresh(key.run_id).checkpoints.get((key.step, key.slice))

    def checkpoints(self, run_id: str) -> list[Checkpoint]:
        return list(self._fresh(run_id).checkpoints.values())

    def commit(self, group: Group) -> Receipt:
        self._writing()
        committer = self._committers.get(group.run_id)
        if committer is None:
            record = self._runs.read(group.run_id)
            at = record.now if record is not None else now()
            committer = Committer(self._store, self._tables, self._log(group.run_id), self._form, at)
            self._committers[group.run_id] = committer
        return committer.commit(group)

    def freeze_slices(self, run_id: str, step: str, slices: Iterable[SliceState]) -> int:
        self._writing()
        return Slices(self._store, run_id, step).freeze(slices)

    def slices(
        self, run_id: str, step: str, *, status: Sequence[str] = (), after: int = -1, limit: int = 1000
    ) -> list[SliceState]:
        return list(islice(Slices(self._store, run_id, step).read(self._fresh(run_id), after, status), limit))

    def raw_pages(
        self, table: str, *, run_id: str | None = None, page_number: int | None = None, page_id: int | None = None
    ) -> Iterator[RawPage]:
        found = self._tables.read(table)
        if found is None or not found.raw:
            raise ArchiveMissing(
                f"there is no archive {table}", place=self._store.place, hint="the step has raw: false, or never ran"
            )
        folders = [names.segment(run_id)] if run_id is not None else self._runs.folders()
        return read_pages(self._store, table, folders, page_number, page_id)

    def removals(self, *, table: str | None = None) -> list[Removals]:
        return []

    def decide_removals(self, table: str, run_id: str, *, confirm: bool) -> int:
        self._refuse("removals")

    def query(self, sql: str, params: Sequence[Any] = ()) -> Iterator[pa.RecordBatch]:
        from headrace.destinations._stage_query import Query

        return Query(self._store, self._tables, self._runs).run(sql, params)

    def rebuild(self, tables: Sequence[TableSpec]) -> AbstractContextManager[Session]:
        self._refuse("replay")

    def rehearse(self, tables: Sequence[str]) -> AbstractContextManager[Session]:
        self._refuse("replay")

    def purge(self, *, table: str, before: int | None = None, run_id: str | None = None, removed: bool = False) -> int:
        self._refuse("purge", "let a lifecycle rule of the storage delete what is old: source=<table>/dt=…")

    def vacuum(self) -> None:
        """Delete what no manifest knows: the parts of commits that never took place."""
        self._writing()
        sweep(self._store, self._runs)

    def _refuse(self, what: str, hint: str = "") -> NoReturn:
        raise NotSupported(
            f"{what}: a staged destination only adds rows, as files",
            hint=hint or "load the files into a database with generic.stage_loader, and do it there",
            place=self._store.place,
        )


def _format() -> bytes:
    """What is written once; ``id`` tells the stage from every other, wherever it is moved."""
    return as_json({"staged_by": "headrace", "version": VERSION, "id": uuid4().hex}).encode()
