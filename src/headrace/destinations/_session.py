"""The commit protocol and everything else a session does, written once for every SQL database."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from headrace.core import faults
from headrace.core.errors import (
    ArchiveMissing,
    CommitFailed,
    DestinationError,
    Fenced,
    HeadraceError,
    RunIsHeld,
    UsageError,
)
from headrace.core.tables import (
    PAGE,
    RECORD,
    Advance,
    Checkpoint,
    Group,
    RawPage,
    Receipt,
    Rejected,
    Removals,
    RunRecord,
    SliceState,
    StreamKey,
    TableSpec,
)
from headrace.core.types import ColumnType
from headrace.destinations._connection import STAGE, Connection, Row
from headrace.destinations._layout import Layout, dump_spec, load_spec
from headrace.destinations._sql import quote
from headrace.destinations._tables import Tables, removed_condition

if TYPE_CHECKING:
    import pyarrow as pa

Gathered = dict[str, tuple["pa.Table", dict[str, ColumnType]]]
_RUN_COLUMNS = (
    "run_id", "pipeline", "org", "status", "params", "resolved", "request_hash", "mapping_hash", "scope", "now",
    "started_at", "finished_at", "rows", "pages", "requests", "error",
)  # fmt: skip
_CHECKPOINT_COLUMNS = (
    "page_number", "cursor_next", "done", "attempt", "rows", "memo", "run_id", "step", "slice",
)  # fmt: skip
_held: set[tuple[str, str]] = set()


def _now() -> int:
    return time.time_ns() // 1000


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))  # ASCII: a cursor may hold what no database takes as text


class SqlSession:
    """A :class:`~headrace.core.contracts.Session` on a :class:`Connection`."""

    def __init__(self, db: Connection, place: str) -> None:
        self.db, self.place = db, place
        self.tables = Tables(db, _now)
        self._layouts: dict[str, Layout] = {}
        self._attempts: dict[StreamKey, tuple[str, str]] = {}
        """The token that a checkpoint was given with, and the one it was written with."""
        self._checkpointing = True
        self._name: Callable[[TableSpec], Layout] | None = None

    # -- runs

    @contextmanager
    def lease(self, run_id: str, owner: str) -> Iterator[None]:
        """Hold ``run_id`` in this process, and in the database where several processes share it."""
        mine = (self.place, run_id)
        if mine in _held:
            raise RunIsHeld(
                f"run {run_id} is already being run by this process", hint="wait for it to end, or start another run"
            )
        with self._database_lease(run_id, owner):
            _held.add(mine)
            try:
                yield
            finally:
                _held.discard(mine)

    @contextmanager
    def _database_lease(self, run_id: str, owner: str) -> Iterator[None]:
        yield

    def run(self, run_id: str) -> RunRecord | None:
        rows = self._optional("headrace_runs", "run_read", (run_id,))
        return self._run_record(rows[0]) if rows else None

    def runs(self, *, pipeline: str | None = None, limit: int = 100) -> list[RunRecord]:
        rows = self._optional("headrace_runs", "runs_read", (pipeline or "", pipeline is None, limit))
        return [self._run_record(row) for row in rows]

    def _optional(self, table: str, statement: str, params: Sequence[Any]) -> list[Row]:
        """Rows of an engine table, which a database that nobody has run into yet does not have."""
        return self.db.do(statement, params) if self.db.physical(table) else []

    def _run_record(self, row: Row) -> RunRecord:
        values = dict(zip(_RUN_COLUMNS, row, strict=True))
        for name in ("params", "resolved"):
            values[name] = json.loads(values[name])
        for name in ("now", "started_at", "finished_at"):
            values[name] = self.db.micros(values[name])
        return RunRecord(**values)

    def save_run(self, run: RunRecord) -> None:
        faults.point("run.saved")
        values = {name: getattr(run, name) for name in _RUN_COLUMNS}
        for name in ("params", "resolved"):
            values[name] = _json(values[name])
        for name in ("now", "started_at", "finished_at"):
            values[name] = self.db.time(values[name])
        values["error"] = self.db.safe_text(values["error"])
        if not self.db.physical("headrace_runs"):
            self.prepare((), ())
        with self.transaction("the run's record"):
            self.db.do("run_delete", (run.run_id,))
            self.db.insert("headrace_runs", _RUN_COLUMNS, [tuple(values.values())])

    @contextmanager
    def transaction(self, what: str) -> Iterator[None]:
        """All of the block or nothing; errors name ``what`` was being done."""
        try:
            with self.db.transaction():
                yield
        except HeadraceError:
            raise
        except Exception as error:
            raise DestinationError(f"{what}: {error}", place=self.place) from error

    # -- tables

    def prepare(self, tables: Sequence[TableSpec], raw: Sequence[str]) -> None:
        for spec in tables:
            self._layouts[spec.name] = self.new_layout(spec)
        with self.transaction("preparing tables"):
            self.db.lock_schema()
            self.tables.create_engine_tables()
            for name in raw:
                self.tables.create_raw(name)
            for spec in tables:
                try:
                    self.tables.ensure(self._layouts[spec.name])
                except Exception as error:
                    if isinstance(error, HeadraceError):
                        raise
                    raise DestinationError(f"table {spec.name} cannot be prepared: {error}", place=self.place) from error
                if self._checkpointing:
                    self.keep_spec(spec)

    def new_layout(self, spec: TableSpec) -> Layout:
        return self._name(spec) if self._name else Layout(spec, spec.name, self.db.max_name)

    def beside(self, name: Callable[[TableSpec], Layout]) -> SqlSession:
        """A session on the same connection that keeps its tables under other names and moves no checkpoint."""
        other = type(self)(self.db, self.place)
        other._name, other._checkpointing = name, False
        return other

    def _layout(self, table: str) -> Layout:
        """As prepared here, else as another session prepared it."""
        found = self._layouts.get(table)
        if found is None:
            stored = self._optional("headrace_tables", "spec_read", (table,))
            if not stored:
                raise UsageError(f"table {table} was not prepared")
            found = self._layouts[table] = self.new_layout(load_spec(stored[0][0]))
        return found

    def keep_spec(self, spec: TableSpec) -> None:
        """Store the declaration, for sessions that work on the table without one."""
        text = dump_spec(spec)
        if self.db.do("spec_read", (spec.name,)) != [(text,)]:
            self.db.do("spec_delete", (spec.name,))
            self.db.insert("headrace_tables", ("table", "spec"), [(spec.name, text)])

    def columns(self, table: str) -> dict[str, ColumnType]:
        name = self._layouts[table].name if table in self._layouts else table
        if not self.db.physical(name) or not self.db.physical("headrace_schemas"):
            return {}
        return self.tables.types([name])[name]

    # -- checkpoints and slices

    def checkpoint(self, key: StreamKey) -> Checkpoint | None:
        rows = self._optional("headrace_checkpoints", "checkpoint_read", (key.run_id, key.step, key.slice))
        return self._checkpoint(rows[0]) if rows else None

    def checkpoints(self, run_id: str) -> list[Checkpoint]:
        return [self._checkpoint(row) for row in self._optional("headrace_checkpoints", "checkpoints_read", (run_id,))]

    def _checkpoint(self, row: Row) -> Checkpoint:
        run_id, step, slice, number, cursor, done, attempt, rows, memo = row
        return Checkpoint(
            StreamKey(run_id, step, slice), number, json.loads(cursor), bool(done), attempt, rows, json.loads(memo)
        )

    def freeze_slices(self, run_id: str, step: str, slices: Iterable[SliceState]) -> int:
        with self.transaction("freezing slices"):
            have = int(self.db.do("slices_count", (run_id, step))[0][0])
            if have:
                return have
            columns = ("run_id", "step", "name", "position", "params", "status", "attempts", "error")
            source = iter(slices)
            while part := list(islice(source, 10_000)):
                rows = [(run_id, step, s.name, s.position, _json(s.params), s.status, s.attempts, self.db.safe_text(s.error)) for s in part]
                self.db.insert("headrace_slices", columns, rows)
                have += len(part)
            return have

    def slices(
        self, run_id: str, step: str, *, status: Sequence[str] = (), after: int = -1, limit: int = 1000
    ) -> list[SliceState]:
        if status:
            params: tuple[Any, ...] = (run_id, step, after, *status, limit)
            rows = self.db.do("slices_read_status", params, marks=", ".join("?" * len(status)))
        else:
            rows = self.db.do("slices_read", (run_id, step, after, limit))
        return [SliceState(n, p, json.loads(params), s, a, e) for n, p, params, s, a, e in rows]

    # -- the commit

    def commit(self, group: Group) -> Receipt:
        from headrace.destinations._rows import gather

        started = time.perf_counter()
        gathered = gather(group.batches)
        for name in gathered:
            self._layout(name)
        refused: list[Rejected] = []
        while True:
            writing: list[str] = []
            try:
                removals, attempts, counts = self._commit_once(group, gathered, refused, writing)
                break
            except Exception as error:
                if isinstance(error, HeadraceError):
                    raise
                if not (writing and self.db.is_data_error(error) and self._set_aside(writing[-1], gathered, refused)):
                    place = f"table {writing[-1]}" if writing else self.place
                    raise CommitFailed(
                        f"the commit was rolled back: {str(error).strip() or type(error).__name__}", place=place
                    ) from error
        given = {advance.at.key: advance.at.attempt for advance in group.advances}
        self._attempts.update({key: (given[key], token) for key, token in attempts.items()})
        faults.point("commit.after_commit")
        return Receipt(counts, tuple(refused), tuple(removals), time.perf_counter() - started)

    def _commit_once(
        self, group: Group, gathered: Gathered, refused: list[Rejected], writing: list[str]
    ) -> tuple[list[Removals], dict[StreamKey, str], dict[str, int]]:
        from headrace.destinations._finish import Finisher
        from headrace.destinations._write import Writer

        db = self.db
        faults.point("commit.begin")
        db.begin()
        db.committing = True
        try:
            attempts = self._advance(group.advances) if self._checkpointing else {}
            have = self._evolve(group, gathered)
            writer = Writer(db, self.tables, group.run_id, group.scope)
            counts = dict.fromkeys(gathered, 0)
            for name in sorted(gathered):
                writing.append(name)
                rows, types = gathered[name]
                if rows.num_rows:
                    layout = self._layout(name)
                    counts[name] = writer.write(layout, rows, types, have[layout.name])
                writing.pop()
            self._store_rejected(group.run_id, [*group.rejected, *refused])
            if group.pages:
                from headrace.destinations._archive import store

                store(db, group.pages)
            for step, s in group.slices:
                db.do("slice_update", (s.status, s.attempts, db.safe_text(s.error), group.run_id, step, s.name))
            faults.point("commit.staged")
            removals: list[Removals] = []
            if group.finish:
                removals = Finisher(db, self.tables, group.run_id).finish(group.finish, self._layout, have)
            faults.point("commit.before_commit")
            self._end(attempts)
        except BaseException:
            db.committing = False
            db.rollback()
            raise
        db.committing = False
        return removals, attempts, counts

    def _end(self, attempts: dict[StreamKey, str]) -> None:
        """COMMIT; a database that may lose the connection here finds out what became of it."""
        self.db.commit()

    def _advance(self, advances: Sequence[Advance]) -> dict[StreamKey, str]:
        attempts: dict[StreamKey, str] = {}
        fresh: list[Row] = []
        for advance in sorted(advances, key=lambda a: (a.at.key.run_id, a.at.key.step, a.at.key.slice)):
            at, key = advance.at, advance.at.key
            found = self.db.do("checkpoint_lock", (key.run_id, key.step, key.slice))
            self._fence(advance.expected, self._checkpoint(found[0]) if found else None, key)
            attempts[key] = uuid4().hex
            row = (at.page_number, _json(at.cursor_next), at.done, attempts[key], at.rows, _json(at.memo),
                   key.run_id, key.step, key.slice)  # fmt: skip
            if found:
                self.db.do("checkpoint_update", row)
            else:
                fresh.append(row)
        if fresh:
            try:
                self.db.insert("headrace_checkpoints", _CHECKPOINT_COLUMNS, fresh)
            except Exception as error:
                if self.db.is_conflict(error):
                    raise Fenced("another process has just begun this stream", place=self.place) from error
                raise
        return attempts

    def _fence(self, expected: Checkpoint | None, found: Checkpoint | None, key: StreamKey) -> None:
        """Whoever commits must know where the stream stands, down to the commit that brought it there."""
        if expected is None and found is None:
            return
        if expected is not None and found is not None:
            same = (expected.page_number, expected.cursor_next, expected.done)
            given, written = self._attempts.get(key, ("", found.attempt))
            token = written if expected.attempt == given else expected.attempt
            if same == (found.page_number, found.cursor_next, found.done) and token == found.attempt:
                return
        stands = f"at page {found.page_number}" if found else "without a checkpoint"
        wanted = f"at page {expected.page_number}" if expected else "without a checkpoint"
        stream = f"run {key.run_id}, step {key.step}{f', slice {key.slice}' if key.slice else ''}"
        raise Fenced(
            f"{stream} stands {stands}, not {wanted}: another process has moved it",
            hint="only one process may run it at a time; this one stops", place=self.place,
        )  # fmt: skip

    def _evolve(self, group: Group, gathered: Gathered) -> dict[str, dict[str, ColumnType]]:
        """Apply the group's schema changes; the types of every table that the group concerns."""
        wanted = {*gathered, *(c.table for c in group.changes), *(group.finish.tables if group.finish else ())}
        layouts = [self._layout(name) for name in sorted(wanted)]
        have = self.tables.types([layout.name for layout in layouts])
        for layout in layouts:
            name = layout.name
            changes = [c for c in group.changes if c.table == layout.spec.name]
            have[name] = self.tables.apply(layout, have[name], changes, group.run_id)
            if layout.spec.name in gathered:
                rows, types = gathered[layout.spec.name]
                extra = {n: t for n, t in types.items() if n not in layout.provenance and n not in (PAGE, RECORD, "_hash")}
                if rows.num_rows and any(have[name].get(n) != t for n, t in extra.items()):
                    page = int(rows.column(PAGE)[0].as_py())
                    have[name] = self.tables.evolve(layout, have[name], extra, group.run_id, page)
        for layout in layouts:  # all in one order, so that two commits cannot wait for each other
            if layout.has_seen or layout.spec.write != "append":
                self.db.lock_table(layout.seen if layout.has_seen else layout.name)
        return have

    def _store_rejected(self, run_id: str, rejected: Sequence[Rejected]) -> None:
        at = self.db.time(_now())
        by_table: dict[str, list[Row]] = {}
        for r in rejected:
            row = (run_id, r.page_id, r.record, self.db.safe_text(r.reason), self.db.safe_text(r.column), r.raw, at)
            by_table.setdefault(self._layout(r.table).rejected, []).append(row)
        for table, rows in sorted(by_table.items()):
            columns = ("run_id", PAGE, RECORD, "reason", "column_name", "raw", "rejected_at")
            self.db.insert(table, columns, rows)

    def _set_aside(self, name: str, gathered: Gathered, refused: list[Rejected]) -> bool:
        """Find the rows that the database refuses and take them out of the group; whether there were any."""
        import pyarrow as pa

        from headrace.destinations._refused import find_refused
        from headrace.destinations._rows import row_as_json

        layout, (rows, types) = self._layout(name), gathered[name]

        def try_insert(part: pa.Table) -> None:
            self.db.begin()
            try:
                have = self.tables.types([layout.name])[layout.name]
                have = self.tables.evolve(layout, have, {n: t for n, t in types.items() if n in have}, "", 0)
                self._probe(layout, part, types, have)
            finally:
                self.db.rollback()

        found = find_refused(self.db, rows, try_insert, types)
        for index, (reason, column) in found.items():
            page, record = (int(rows.column(c)[index].as_py()) for c in (PAGE, RECORD))
            refused.append(Rejected(name, page, record, reason, column, row_as_json(rows, index)))
        if found:
            kept = [index for index in range(rows.num_rows) if index not in found]
            gathered[name] = rows.take(pa.array(kept, pa.int64())), types
        return bool(found)

    def _probe(
        self, layout: Layout, rows: pa.Table, types: dict[str, ColumnType], have: dict[str, ColumnType]
    ) -> None:
        """Insert rows the way the commit does, into an empty copy of the table."""
        from headrace.destinations._rows import conform

        wanted = {n: have.get(n, t) for n, t in types.items()}
        self.db.stage(conform(rows, types, wanted), wanted)
        columns = ", ".join(quote(c) for c in rows.column_names if c in have and c not in layout.spec.hidden)
        self.db.do("create_probe", table=quote(layout.name))
        self.db.run(f"INSERT INTO headrace_probe ({columns}) SELECT {columns} FROM {STAGE}")

    # -- the archive

    def raw_pages(
        self, table: str, *, run_id: str | None = None, page_number: int | None = None, page_id: int | None = None
    ) -> Iterator[RawPage]:
        from headrace.destinations._archive import read

        if not self.db.physical(table):
            raise ArchiveMissing(f"there is no archive {table}", place=self.place, hint="the step has raw: false, or never ran")
        return read(self.db, table, run_id=run_id, page_number=page_number, page_id=page_id)

    # -- removals

    def removals(self, *, table: str | None = None) -> list[Removals]:
        from headrace.destinations._finish import removals_of

        rows = self._optional("headrace_removals", "removals_read", (table or "", table is None))
        return [removals_of(self.db, row) for row in rows]

    def decide_removals(self, table: str, run_id: str, *, confirm: bool) -> int:
        from headrace.destinations._finish import mark_removed

        held = self.db.do("removals_held", (table, run_id))
        if not held:
            raise UsageError(
                f"nothing of run {run_id} is held back for table {table}", hint="headrace removals list shows what is"
            )
        concerned = 0
        with self.transaction("deciding removals"):
            layout = self._layout(table)
            for scope, missing, after, found_at in held:
                if confirm:
                    known = self.db.do("count_missing", (run_id, after, scope), seen=quote(layout.seen))
                    concerned += int(known[0][1])
                    mark_removed(self.db, layout, scope, run_id, after, self.db.micros(found_at) or 0)
                else:
                    concerned += missing
                self.db.do("removals_decide", ("confirmed" if confirm else "rejected", table, run_id, scope))
        return concerned

    # -- reading, rebuilding, cleaning

    def query(self, sql: str, params: Sequence[Any] = ()) -> Iterator[pa.RecordBatch]:
        return self.db.query(sql, params)

    def rebuild(self, tables: Sequence[TableSpec]) -> AbstractContextManager[SqlSession]:
        from headrace.destinations._rebuild import rebuild

        return rebuild(self, tables)

    def purge(self, *, table: str, before: int | None = None, run_id: str | None = None, removed: bool = False) -> int:
        columns = self.db.physical(table)
        if not columns:
            raise UsageError(f"there is no table {table} to purge")
        if removed:
            return self._purge_removed(table)
        if "response_blob" not in columns:
            raise UsageError(f"{table} is not an archive of raw pages", hint="removed=True deletes removed rows of a table")
        conditions = {"fetched_at < ?": self.db.time(before), "run_id = ?": run_id}
        given = {text: value for text, value in conditions.items() if value is not None}
        where = {"table": quote(table), "condition": " AND ".join(given) or "1 = 1"}
        with self.transaction("purging"):
            count = int(self.db.do("count_raw_bodies", list(given.values()), **where)[0][0])
            self.db.do("raw_purge", list(given.values()), **where)
        return count

    def _purge_removed(self, table: str) -> int:
        layout = self._layout(table)
        if not layout.has_seen:
            raise UsageError(f"table {table} does not track which rows were removed")
        parts = {"table": quote(table), "removed": removed_condition(layout, present=False)}
        with self.transaction("purging"):
            count = int(self.db.do("count_removed_rows", **parts)[0][0])
            self.db.do("delete_removed_rows", **parts)
            self.db.do("delete_removed_seen", seen=quote(layout.seen), keys=layout.seen_keys)
        return count

    def vacuum(self) -> None:
        self.db.vacuum()
