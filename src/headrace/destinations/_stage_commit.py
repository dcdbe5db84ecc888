"""The commit of a staged destination: parts under names that nobody else has, then one manifest that only one writer
can put under its number. The manifest is the commit; parts without one are nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pyarrow as pa

from headrace.core import faults
from headrace.core.errors import (
    CommitFailed,
    CommitUnknown,
    Fenced,
    HeadraceError,
    NotSupported,
    StorageFailed,
    UsageError,
)
from headrace.core.gather import gather
from headrace.core.tables import PAGE, RECORD, Checkpoint, Group, Receipt, Rejected
from headrace.core.types import ColumnType
from headrace.destinations import _stage_names as names
from headrace.destinations._archive import COLUMNS, as_rows
from headrace.destinations._base import now
from headrace.destinations._layout import Layout
from headrace.destinations._rows import ARROW, conform, row_as_json
from headrace.destinations._stage_log import RunLog
from headrace.destinations._stage_manifest import Change, Content, Manifest, Part
from headrace.destinations._stage_parts import SUFFIXES, Compression, Format
from headrace.destinations._stage_tables import Table, Tables, wider
from headrace.storage.retry import Retrying

REJECTED: dict[str, ColumnType] = {
    "run_id": "string", PAGE: "bigint", RECORD: "bigint", "reason": "string", "column_name": "string", "raw": "binary",
    "rejected_at": "timestamp",
}  # fmt: skip
Gathered = dict[str, tuple[pa.Table, dict[str, ColumnType]]]
_PROVENANCE: dict[str, ColumnType] = {PAGE: "bigint", RECORD: "bigint"}


class Committer:
    """Commits the groups of one run; ``at`` is the day and hour of its batch."""

    def __init__(self, store: Retrying, tables: Tables, log: RunLog, form: tuple[Format, Compression], at: int) -> None:
        self._store, self._tables, self._log = store, tables, log
        self._format, self._compression, self._at = *form, at
        self._doubtful = False
        """An earlier commit broke off: it may have happened."""

    def commit(self, group: Group) -> Receipt:
        started = time.perf_counter()
        faults.point("commit.begin")
        try:
            self._look(group)
            gathered, refused = _valid(gather(group.batches))
            changes, contents = self._contents(group, gathered, refused)
            self._write(group, contents, changes)
        except HeadraceError:
            raise
        except Exception as error:
            raise CommitFailed(
                f"the commit was given up: {str(error).strip() or type(error).__name__}", place=self._store.place
            ) from error
        faults.point("commit.after_commit")
        counts = {name: rows.num_rows for name, (rows, _) in gathered.items()}
        return Receipt(counts, tuple(refused), seconds=time.perf_counter() - started)

    def _look(self, group: Group) -> None:
        """That the streams stand where the group says, as far as this session knows."""
        faults.point("commit.sql")
        if group.transform is not None:
            raise NotSupported("SQL steps need a database: a staged destination only adds rows, as files")
        if any(advance.at.key.run_id != group.run_id for advance in group.advances):
            raise UsageError("a commit is about the streams of one run")
        if self._doubtful:
            self._log.refresh()
            self._doubtful = False
        try:
            self._fence(group)
        except Fenced:
            before = self._log.number
            self._log.refresh()
            if self._log.number == before:
                raise
            self._fence(group)

    def _fence(self, group: Group) -> None:
        for advance in group.advances:
            key, expected = advance.at.key, advance.expected
            found = self._log.checkpoints.get((key.step, key.slice))
            if (expected and _place(expected)) == (found and _place(found)):
                continue
            stands = f"at page {found.page_number}" if found else "without a checkpoint"
            wanted = f"at page {expected.page_number}" if expected else "without a checkpoint"
            stream = f"run {key.run_id}, step {key.step}{f', slice {key.slice}' if key.slice else ''}"
            raise Fenced(
                f"{stream} stands {stands}, not {wanted}: another process has moved it",
                hint="only one process may run it at a time; this one stops",
                place=self._store.place,
            )

    def _contents(
        self, group: Group, gathered: Gathered, refused: Sequence[Rejected]
    ) -> tuple[list[Change], list[Content]]:
        contents: list[Content] = []
        changes: list[Change] = []
        types: dict[str, dict[str, ColumnType]] = {}
        for name in sorted({*gathered, *(change.table for change in group.changes)}):
            table = self._table(name)
            types[name] = dict(table.columns)
            wanted = [({c.column: c.after}, c.page_id) for c in group.changes if c.table == name]
            if name in gathered and gathered[name][0].num_rows:
                rows, found = gathered[name]
                wanted.append((found, int(rows.column(PAGE)[0].as_py())))
            for columns, page_id in wanted:
                new = wider(types[name], columns)
                types[name] |= new
                changes += [Change(name, column, type, page_id) for column, type in new.items()]
        for name, (rows, found) in sorted(gathered.items()):
            if not rows.num_rows:
                continue
            now_typed = {column: types[name][column] for column in found}
            columns = {
                column: now_typed[column] if column in found else _PROVENANCE[column] for column in rows.column_names
            }
            contents.append(Content(name, "rows", conform(rows, found, now_typed), columns))
        contents += _rejected(group.run_id, [*group.rejected, *refused])
        for name, rows in as_rows(group.pages, _safe_text):
            pages: list[Any] = rows.select(["page_id", "page_number"]).to_pylist()
            contents.append(Content(name, "raw", rows, COLUMNS, [(p["page_id"], p["page_number"]) for p in pages]))
        return changes, contents

    def _table(self, name: str) -> Table:
        found = self._tables.known(name)
        if found is None:
            raise UsageError(f"table {name} was not prepared")
        return found

    def _write(self, group: Group, contents: Sequence[Content], changes: Sequence[Change]) -> None:
        """Publish all of it; after a failure that is certain, nothing of it is left behind."""
        written: list[str] = []
        try:
            self._publish(group, contents, changes, written)
        except BaseException:
            if not self._doubtful:
                with suppress(Exception):  # what cannot be deleted now, a vacuum finds
                    self._store.delete(written)
            raise

    def _publish(
        self, group: Group, contents: Sequence[Content], changes: Sequence[Change], written: list[str]
    ) -> None:
        log, attempt = self._log, uuid4().hex
        while True:
            began = log.number
            parts = [self._write_part(content, written) for content in contents]
            faults.point("commit.staged")
            while log.swept <= began:
                manifest = Manifest(
                    run_id=group.run_id,
                    number=log.number + 1,
                    attempt=attempt,
                    at=now(),
                    checkpoints=[advance.at for advance in group.advances],
                    parts=parts,
                    slices=[(step, replace(state, error=_safe_text(state.error))) for step, state in group.slices],
                    changes=changes,
                )
                for table in sorted({change.table for change in changes}):
                    faults.point("commit.sql")
                    self._store.create(*self._tables.announce(table, group.run_id, manifest.number))
                faults.point("commit.before_commit")
                if self._create(manifest):
                    log.take(manifest)
                    self._tables.changed(manifest.at, group.run_id, changes)
                    return
                log.refresh()  # somebody else of this run was first: another stream's, or it has moved ours
                self._fence(group)

    def _create(self, manifest: Manifest) -> bool:
        faults.point("commit.sql")
        self._doubtful = True
        try:
            done = self._store.create(names.manifest(manifest.run_id, manifest.number), manifest.text())
        except StorageFailed as error:
            raise CommitUnknown(
                f"whether the last commit took place could not be learnt: {error.message}",
                place=self._store.place,
                hint="run it again: it goes on from what was committed",
            ) from error
        self._doubtful = False
        return done

    def _write_part(self, content: Content, written: list[str]) -> Part:
        """Under the first number that is free: what a killed commit left behind keeps its own. No part is ever taken
        for another writer's, so that whoever wrote one may delete it."""
        data = content.encoded(self._format, self._compression)
        suffix = SUFFIXES[self._format, self._compression]
        number = self._log.parts[content.table]
        while True:
            number += 1
            path = names.part(content.table, self._at, self._log.run_id, number, suffix)
            faults.point("commit.sql")
            if self._store.create(path, data, recognise=False):
                written.append(path)
                return content.part(path, data, self._format, self._compression)


def _place(at: Checkpoint) -> tuple[object, ...]:
    return at.page_number, at.cursor_next, at.done, at.attempt


def _valid(gathered: Gathered) -> tuple[Gathered, list[Rejected]]:
    """The rows whose texts are Unicode, and the others as rejected."""
    kept: Gathered = {}
    refused: list[Rejected] = []
    for name, (rows, types) in gathered.items():
        kept[name] = rows, types
        try:
            rows.validate(full=True)
        except pa.ArrowInvalid:
            bad = _not_unicode(rows)
            for index, (reason, column) in sorted(bad.items()):
                page, record = (int(rows.column(each)[index].as_py()) for each in (PAGE, RECORD))
                refused.append(Rejected(name, page, record, reason, column, row_as_json(rows, index)))
            good = [index for index in range(rows.num_rows) if index not in bad]
            kept[name] = rows.take(pa.array(good, pa.int64())), types
    return kept, refused


def _not_unicode(rows: pa.Table) -> dict[int, tuple[str, str]]:
    """Index of each row with a text that is none to the reason and the column."""
    found: dict[int, tuple[str, str]] = {}
    for name in rows.column_names:
        if pa.types.is_string(rows.schema.field(name).type):
            for index, value in enumerate(rows.column(name).cast(pa.binary()).to_pylist()):
                try:
                    if value is not None:
                        value.decode()
                except UnicodeDecodeError as error:
                    found.setdefault(index, (f"not Unicode: {error.reason}", name))
    return found


def _safe_text(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _rejected(run_id: str, rejected: Sequence[Rejected]) -> Iterator[Content]:
    by_table: dict[str, list[Rejected]] = {}
    for each in rejected:
        by_table.setdefault(each.table, []).append(each)
    for table, found in sorted(by_table.items()):
        at = now()
        rows = [
            (_safe_text(run_id), r.page_id, r.record, _safe_text(r.reason), _safe_text(r.column), r.raw, at)
            for r in found
        ]
        schema = pa.schema([(name, ARROW[type]) for name, type in REJECTED.items()])
        arrays = [pa.array(c, f.type) for c, f in zip(zip(*rows, strict=True), schema, strict=True)]
        yield Content(rejected_name(table), "rejected", pa.Table.from_arrays(arrays, schema=schema), REJECTED)


def rejected_name(table: str) -> str:
    from headrace.core.tables import TableSpec

    return Layout(TableSpec(table, "append", {}), table).rejected
