"""Rows, archive and checkpoint appear together or not at all, wherever a commit fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from headrace.core import faults
from headrace.core.contracts import Session
from headrace.core.errors import CommitFailed
from headrace.core.tables import Group, Rejected, SliceState, StreamKey, TableSpec

from .build import RAW, START, Page, Writer, finish, page, table
from .read import contents, count, everything
from .target import DestinationTests

ITEMS = table("items", "merge", {"id": "int", "name": "string"}, key=("id",))
LOG = table("log", "append", {"line": "string"})
KEY = StreamKey("run-1", "extract")
INJECTED = (faults.InjectedFault, CommitFailed)


def fail_at(point: str, nth: int) -> Callable[[str], None]:
    """A handler that raises the ``nth`` time ``point`` is passed."""
    left = nth

    def handler(name: str) -> None:
        nonlocal left
        if name == point:
            left -= 1
            if left == 0:
                raise faults.InjectedFault(f"{point} {nth}")

    return handler


def fail_everywhere(session: Session, group: Group, specs: Sequence[TableSpec], keys: Sequence[StreamKey]) -> int:
    """Fail ``group`` at its first statement, its second, and so on until it passes; each failure must
    leave no trace. Returns how many statements the commit has."""
    before = everything(session, specs, keys)
    for nth in range(1, 1000):
        faults.install(fail_at("commit.sql", nth))
        try:
            session.commit(group)
        except INJECTED:
            faults.install(None)
            assert everything(session, specs, keys) == before, f"statement {nth} failed and left a trace"
            continue
        faults.install(None)
        return nth - 1
    raise AssertionError("the commit never passes")


def with_reject(one: Page, spec: TableSpec) -> Page:
    return replace(one, rejected=(Rejected(spec.name, one.id, 7, "not a number", "id", b'{"id": "x"}'),))


class Atomicity(DestinationTests):
    def test_an_empty_database_has_no_checkpoint(self, session: Session) -> None:
        session.prepare([ITEMS], [RAW])
        assert session.checkpoint(KEY) is None
        assert session.checkpoints("run-1") == []

    def test_rows_archive_and_checkpoint_appear_together(self, session: Session) -> None:
        writer = Writer(session).prepare(ITEMS)
        group = writer.group(with_reject(page(1, ITEMS, [{"id": 1, "name": "a"}, {"id": 2}]), ITEMS))
        receipt = session.commit(group)
        assert receipt.rows["items"] == 2
        assert not receipt.rejected
        assert contents(session, ITEMS) == [(1, "a"), (2, None)]
        assert count(session, "items_rejected") == 1
        assert [raw.page_number for raw in session.raw_pages(RAW)] == [1]
        stored = session.checkpoint(KEY)
        assert stored is not None
        wanted = group.advances[0].at
        assert replace(stored, attempt="") == replace(wanted, attempt="")

    def test_what_was_committed_is_there_after_reopening(self, target: Any) -> None:
        with target.destination.open() as session:
            Writer(session).prepare(ITEMS).commit(page(1, ITEMS, [{"id": 1, "name": "a"}]))
            before = everything(session, [ITEMS], [KEY])
        with target.destination.open() as session:
            assert everything(session, [ITEMS], [KEY]) == before
            Writer(session).prepare(ITEMS).commit(page(2, ITEMS, [{"id": 2}]))
            assert contents(session, ITEMS) == [(1, "a"), (2, None)]

    def test_an_empty_page_moves_the_cursor(self, session: Session) -> None:
        writer = Writer(session).prepare(ITEMS)
        writer.commit(page(1, ITEMS, []))
        writer.commit(page(2))
        stored = session.checkpoint(KEY)
        assert stored is not None
        assert (stored.page_number, stored.cursor_next) == (2, "cursor-2")
        assert contents(session, ITEMS) == []

    def test_a_commit_may_carry_no_checkpoint(self, session: Session) -> None:
        Writer(session).prepare(LOG)
        session.commit(replace(Writer(session).group(page(1, LOG, [{"line": "x"}])), advances=()))
        assert contents(session, LOG) == [("x",)]
        assert session.checkpoint(KEY) is None

    def test_fault_at_every_statement_of_the_first_commit(self, session: Session) -> None:
        writer = Writer(session).prepare(ITEMS, LOG)
        first = with_reject(page(1, ITEMS, [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]), ITEMS)
        second = page(2, LOG, [{"line": "x"}, {"line": "x"}])
        statements = fail_everywhere(session, writer.group(first, second), [ITEMS, LOG], [KEY])
        assert statements >= 4, "faults.point('commit.sql') is passed before every statement"
        assert contents(session, ITEMS) == [(1, "a"), (2, "b")]
        assert contents(session, LOG) == [("x",), ("x",)]
        assert count(session, "items_rejected") == 1

    def test_fault_at_every_statement_of_an_update(self, session: Session) -> None:
        writer = Writer(session).prepare(ITEMS)
        writer.commit(page(1, ITEMS, [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]))
        fail_everywhere(session, writer.group(page(2, ITEMS, [{"id": 2, "name": "B"}, {"id": 3}])), [ITEMS], [KEY])
        assert contents(session, ITEMS) == [(1, "a"), (2, "B"), (3, None)]

    def test_fault_at_every_statement_of_a_widening(self, session: Session) -> None:
        spec = table("open", "merge", {"id": "int", "x": None}, key=("id",), open_ended=True)
        writer = Writer(session).prepare(spec)
        writer.commit(page(1, spec, [{"id": 1}]))
        changed = page(
            2,
            spec,
            [{"id": 2, "x": 5, "y": "new"}],
            types={"x": "int", "y": "string"},
            changes=[("x", "untyped", "int"), ("y", None, "string")],
        )
        fail_everywhere(session, writer.group(changed), [spec], [KEY])
        assert contents(session, spec) == [(1, None), (2, 5)]
        assert session.columns("open")["y"] == "string"

    @pytest.mark.parametrize("write", ["merge", "append", "replace", "sync", "scd2"])
    def test_fault_at_every_statement_of_the_last_commit(self, session: Session, write: str) -> None:
        options = {"staging": "staging_things"} if write == "sync" else {}
        key = () if write in ("append", "replace") else ("id",)
        columns: dict[str, Any] = {"id": "int", "name": "string"}
        if write == "sync":
            columns["hash"] = "string"
            options["hash_column"] = "hash"
        spec = table("things", write, columns, key=key, **options)
        writer = Writer(session).prepare(spec)
        writer.commit(page(1, spec, [{"id": n, "name": "a", "hash": "h"} for n in range(6)]))
        writer.finish(spec, at=START + 5_000_000)
        again = writer.next_run("run-2")
        keys = [StreamKey("run-2", "extract")]
        later = START + 10_000_000
        again.commit(page(1, spec, [{"id": n, "name": "b", "hash": "i"} for n in range(4)], run="run-2", at=later))
        last = again.group(
            page(2, spec, [{"id": 4, "name": "b", "hash": "i"}], run="run-2", at=later + 1),
            slices=[("extract", SliceState("s", 0, {}, "done", 1))],
        )
        end = finish(spec, at=START + 20_000_000)
        before = len(contents(session, spec))
        assert fail_everywhere(session, replace(last, finish=end), [spec], keys) >= 4
        if write == "replace":
            assert len(contents(session, spec)) == 5 < before

    @pytest.mark.parametrize("point", ["commit.begin", "commit.staged", "commit.before_commit"])
    def test_fault_at_a_named_point_leaves_nothing(self, session: Session, point: str) -> None:
        writer = Writer(session).prepare(ITEMS)
        group = writer.group(page(1, ITEMS, [{"id": 1, "name": "a"}]))
        before = everything(session, [ITEMS], [KEY])
        faults.install(fail_at(point, 1))
        with pytest.raises(INJECTED):
            session.commit(group)
        faults.install(None)
        assert everything(session, [ITEMS], [KEY]) == before
        session.commit(group)
        assert contents(session, ITEMS) == [(1, "a")]

    def test_fault_after_commit_leaves_everything(self, session: Session) -> None:
        writer = Writer(session).prepare(ITEMS)
        group = writer.group(page(1, ITEMS, [{"id": 1, "name": "a"}]))
        faults.install(fail_at("commit.after_commit", 1))
        with pytest.raises(Exception, match=r"commit\.after_commit"):
            session.commit(group)
        faults.install(None)
        assert contents(session, ITEMS) == [(1, "a")]
        stored = session.checkpoint(KEY)
        assert stored is not None
        assert stored.page_number == 1

    def test_prepare_again_changes_nothing(self, session: Session) -> None:
        writer = Writer(session).prepare(ITEMS, LOG)
        writer.commit(page(1, ITEMS, [{"id": 1, "name": "a"}]))
        before = everything(session, [ITEMS, LOG], [KEY])
        writer.prepare(ITEMS, LOG)
        assert everything(session, [ITEMS, LOG], [KEY]) == before
