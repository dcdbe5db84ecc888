"""The commit protocol: rows, archive and checkpoint appear together, or not at all."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

from headrace.core import faults
from headrace.core.errors import CommitFailed, Fenced, HeadraceError
from headrace.core.tables import (
    PAGE,
    RECORD,
    Advance,
    Checkpoint,
    Group,
    Receipt,
    Rejected,
    Removals,
    StreamKey,
    Transform,
)
from headrace.core.types import ColumnType
from headrace.destinations._base import as_json, now
from headrace.destinations._connection import STAGE, Connection, Row
from headrace.destinations._layout import Layout
from headrace.destinations._runs import Runs
from headrace.destinations._sql import quote
from headrace.destinations._streams import Streams

if TYPE_CHECKING:
    import pyarrow as pa

Gathered = dict[str, tuple["pa.Table", dict[str, ColumnType]]]
_NAMES = 500
_CHECKPOINT_COLUMNS = (
    "page_number", "cursor_next", "done", "attempt", "rows", "memo", "run_id", "step", "slice",
)  # fmt: skip


def _parts(names: Sequence[str]) -> Iterator[Sequence[str]]:
    """So many as one statement takes everywhere."""
    for start in range(0, len(names), _NAMES):
        yield names[start : start + _NAMES]


class Commits(Runs, Streams):
    """The commits of a session."""

    def __init__(self, db: Connection, place: str) -> None:
        super().__init__(db, place)
        self._attempts: dict[StreamKey, tuple[str, str]] = {}
        """The token that a checkpoint was given with, and the one it was written with."""

    def commit(self, group: Group) -> Receipt:
        from headrace.core.gather import gather

        started = time.perf_counter()
        gathered = gather(group.batches)
        for name in gathered:
            self._layout(name)
        refused: list[Rejected] = []
        while True:
            writing: list[str] = []
            try:
                with self.db.selecting() if group.transform else nullcontext():
                    removals, attempts, counts = self._commit_once(group, gathered, refused, writing)
                break
            except Exception as error:
                if isinstance(error, HeadraceError):
                    raise
                if self.db.more_room(error):
                    continue
                if not (writing and self.db.is_data_error(error) and self._set_aside(writing[-1], gathered, refused)):
                    place = f"table {writing[-1]}" if writing else self.place
                    raise CommitFailed(
                        f"the commit was rolled back: {str(error).strip() or type(error).__name__}",
                        place=place,
                        hint=f"compare the table with what the file makes of a record: headrace schema history {writing[-1]}"
                        if writing and self.db.is_data_error(error)
                        else "",
                    ) from error
        self._remember(group, attempts)
        faults.point("commit.after_commit")
        return Receipt(counts, tuple(refused), tuple(removals), time.perf_counter() - started)

    def _remember(self, group: Group, attempts: dict[StreamKey, str]) -> None:
        """The tokens of streams that go on; there may be a million that have ended."""
        for advance in group.advances:
            key = advance.at.key
            if advance.at.done or key not in attempts:
                self._attempts.pop(key, None)
            else:
                self._attempts[key] = (advance.at.attempt, attempts[key])
        for step, state in group.slices:
            ended = StreamKey(group.run_id, step, state.name)
            self._attempts.pop(ended, None)
            self.db.left.standing.pop(ended, None)

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
            self._end_slices(group)
            faults.point("commit.staged")
            removals: list[Removals] = []
            if group.finish:
                removals = Finisher(db, self.tables, group.run_id, self.resumable).finish(
                    group.finish, self._layout, have
                )
            if group.transform:
                self._transform(group, group.transform, attempts, counts)
            if group.finish or group.transform:
                db.left.forget()
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
        left = self.db.left.standing
        keys = [advance.at.key for advance in advances]
        standing = {key: left[key] for key in keys if key in left}
        standing |= self._lock([key for key in keys if key not in left])
        for advance in sorted(advances, key=lambda a: (a.at.key.run_id, a.at.key.step, a.at.key.slice)):
            at, key = advance.at, advance.at.key
            found = standing.get(key)
            self._fence(advance.expected, found, key)
            attempts[key] = uuid4().hex
            row = (at.page_number, as_json(at.cursor_next), at.done, attempts[key], at.rows, as_json(at.memo),
                   key.run_id, key.step, key.slice)  # fmt: skip
            if found:
                self.db.do("checkpoint_update", row)
            else:
                fresh.append(row)
            left.pop(key, None)
            if self.db.sole and not at.done:
                left[key] = replace(at, attempt=attempts[key])
        if fresh:
            try:
                self.db.insert("headrace_checkpoints", _CHECKPOINT_COLUMNS, fresh)
            except Exception as error:
                if self.db.is_conflict(error):
                    raise Fenced("another process has just begun this stream", place=self.place) from error
                raise
        return attempts

    def _lock(self, keys: Sequence[StreamKey]) -> dict[StreamKey, Checkpoint]:
        """Where the streams stand, held until the commit ends: many slices to a statement, in one order for all."""
        found: dict[StreamKey, Checkpoint] = {}
        by_step: dict[tuple[str, str], list[str]] = {}
        text = self.db.safe_text
        stored = {(text(key.run_id), text(key.step), text(key.slice)): key for key in keys}
        for key in keys:
            by_step.setdefault((key.run_id, key.step), []).append(key.slice)
        for of, slices in sorted(by_step.items()):
            for part in _parts(sorted(slices)):
                for row in self.db.do("checkpoints_lock", (*of, *part), marks=", ".join("?" * len(part))):
                    at = self._checkpoint(row)
                    found[stored[at.key.run_id, at.key.step, at.key.slice]] = at
        return found

    def _transform(
        self, group: Group, transform: Transform, attempts: dict[StreamKey, str], counts: dict[str, int]
    ) -> None:
        """Write the result, and its size into the checkpoints: it is known only now."""
        from headrace.destinations._transform import Transformer

        count = Transformer(self.db, self.tables, group.run_id, self.place).apply(transform)
        counts[transform.table] = count
        for advance in group.advances:
            at, key = advance.at, advance.at.key
            memo = as_json({**at.memo, "rows": {transform.table: count}})
            self.db.do("checkpoint_update", (at.page_number, as_json(at.cursor_next), at.done, attempts[key], count,
                                             memo, key.run_id, key.step, key.slice))  # fmt: skip

    def _end_slices(self, group: Group) -> None:
        """Most slices end alike: those that do are one statement."""
        alike: dict[tuple[str, str, int, str], list[str]] = {}
        for step, state in group.slices:
            alike.setdefault((step, state.status, state.attempts, state.error), []).append(state.name)
        for (step, status, attempts, error), names in alike.items():
            for part in _parts(names):
                params = (status, attempts, self.db.safe_text(error), group.run_id, step, *part)
                self.db.do("slices_update", params, marks=", ".join("?" * len(part)))

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
        left = self.db.left.types
        have = self.tables.types([layout.name for layout in layouts if layout.name not in left])
        have |= {layout.name: dict(left[layout.name]) for layout in layouts if layout.name in left}
        for layout in layouts:
            name = layout.name
            changes = [c for c in group.changes if c.table == layout.spec.name]
            have[name] = self.tables.apply(layout, have[name], changes, group.run_id)
            if layout.spec.name in gathered:
                rows, types = gathered[layout.spec.name]
                extra = {
                    n: t for n, t in types.items() if n not in layout.provenance and n not in (PAGE, RECORD, "_hash")
                }
                if rows.num_rows and any(have[name].get(n) != t for n, t in extra.items()):
                    page = int(rows.column(PAGE)[0].as_py())
                    have[name] = self.tables.evolve(layout, have[name], extra, group.run_id, page)
        for layout in layouts:  # all in one order, so that two commits cannot wait for each other
            if layout.has_seen or layout.spec.write != "append":
                self.db.lock_table(layout.seen if layout.has_seen else layout.name)
        if self.db.sole:
            left.update({name: dict(types) for name, types in have.items()})
        return have

    def _store_rejected(self, run_id: str, rejected: Sequence[Rejected]) -> None:
        at = self.db.time(now())
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
            with self.db.trial():
                have = self.tables.types([layout.name])[layout.name]
                have = self.tables.evolve(layout, have, {n: t for n, t in types.items() if n in have}, "", 0)
                self._probe(layout, part, types, have)

        found = find_refused(self.db, rows, try_insert, types)
        for index, (reason, column) in found.items():
            page, record = (int(rows.column(c)[index].as_py()) for c in (PAGE, RECORD))
            refused.append(Rejected(name, page, record, reason, column, row_as_json(rows, index)))
        if found:
            kept = [index for index in range(rows.num_rows) if index not in found]
            gathered[name] = rows.take(pa.array(kept, pa.int64())), types
        return bool(found)

    def _probe(self, layout: Layout, rows: pa.Table, types: dict[str, ColumnType], have: dict[str, ColumnType]) -> None:
        """Insert rows the way the commit does, into an empty copy of the table."""
        from headrace.destinations._rows import conform

        wanted = {n: have.get(n, t) for n, t in types.items()}
        self.db.stage(conform(rows, types, wanted), wanted)
        columns = ", ".join(quote(c) for c in rows.column_names if c in have and c not in layout.spec.hidden)
        self.db.do("create_probe", table=quote(layout.name))
        self.db.run(f"INSERT INTO headrace_probe ({columns}) SELECT {columns} FROM {STAGE}")
