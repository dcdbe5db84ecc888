"""vacuum gives bytes back and changes nothing that anybody can read."""

from __future__ import annotations

import random

import pytest

from headrace.core.contracts import Session
from headrace.core.errors import CommitFailed
from headrace.core.tables import StreamKey, TableSpec

from .build import RAW, Writer, page, table
from .read import contents, count, everything, fetch
from .runs import record
from .target import DestinationTests, Target

ITEMS = table("items", "merge", {"id": "int", "name": "string", "more": "json"}, key=("id",))
WHOLE = table("whole", "replace", {"id": "int"})
STAGED = table("staged", "sync", {"id": "int"}, key=("id",), staging="staging_staged")
MANY = 40
"""More runs of a pipeline than an earlier one may lie back and still be resumed."""


def body(number: int, size: int = 500_000) -> bytes:
    """Bytes that no compression makes smaller."""
    return random.Random(number).randbytes(size)  # noqa: S311 - no secret


class Vacuuming(DestinationTests):
    def test_purged_bodies_are_given_back_to_the_disk(self, target: Target) -> None:
        if target.size is None:
            pytest.skip("the target does not say how large it is")
        with target.destination.open() as session:
            writer = Writer(session).prepare(ITEMS)
            for number in range(1, 17):
                writer.commit(page(number, ITEMS, [{"id": number}], body=body(number)))
        before = target.size()
        with target.destination.open() as session:
            assert session.purge(table=RAW, run_id="run-1") == 16
            session.vacuum()
            writer = Writer(session).prepare(ITEMS)
            writer.commit(page(17, ITEMS, [{"id": 17}]))
            assert len(contents(session, ITEMS)) == 17
        assert before - target.size() > 10 * 500_000

    def test_nothing_is_lost_by_it(self, target: Target) -> None:
        with target.destination.open() as session:
            writer = Writer(session).prepare(ITEMS)
            session.save_run(record(1))
            rows = [{"id": n, "name": "née ☃", "more": '{"a": [1, 2.50]}'} for n in range(50)]
            writer.commit(page(1, ITEMS, rows, body=b'{"exact": 1.0}'))
            writer.finish(ITEMS)
        target.execute("CREATE VIEW mine AS SELECT id, name FROM items_current")
        target.execute("CREATE VIEW mine_too AS SELECT count(*) AS n FROM mine")
        target.execute("CREATE TABLE theirs (a INTEGER PRIMARY KEY, b TEXT)")
        target.execute("INSERT INTO theirs VALUES (1, 'kept')")
        with target.destination.open() as session:
            before = everything(session, [ITEMS], [StreamKey("run-1", "extract")])
            session.vacuum()
            session.vacuum()
            assert everything(session, [ITEMS], [StreamKey("run-1", "extract")]) == before
            assert session.run("run-1") == record(1)
            Writer(session).prepare(ITEMS).commit(page(2, ITEMS, [{"id": 1}, {"id": 70}]))
        with target.destination.open() as session:
            assert fetch(session, "SELECT n FROM mine_too") == [(51,)]
            assert fetch(session, "SELECT a, b FROM theirs") == [(1, "kept")]

    def test_an_empty_database(self, session: Session) -> None:
        session.vacuum()
        session.prepare([ITEMS], [RAW])
        session.vacuum()
        assert count(session, "items") == 0


class Abandoning(DestinationTests):
    """What a run has staged outlives it as long as somebody may go on with it, and not longer."""

    def staged(self, session: Session) -> Writer:
        writer = Writer(session).prepare(WHOLE, STAGED)
        session.save_run(record(1, status="interrupted"))
        writer.commit(page(1, WHOLE, [{"id": 1}]), page(1, STAGED, [{"id": 1}], slice="s"))
        return writer

    def later(self, session: Session, runs: int) -> None:
        for number in range(2, 2 + runs):
            session.save_run(record(number, status="done"))

    def staging_tables(self, session: Session, target: Target) -> list[str]:
        return [name for (name,) in fetch(session, target.tables) if name.startswith("whole_new_")]

    def test_a_run_that_may_be_resumed_keeps_its_staged_rows(self, session: Session, target: Target) -> None:
        first = self.staged(session)
        self.later(session, 1)
        second = first.next_run("run-2")
        second.commit(page(1, WHOLE, [{"id": 7}], run="run-2"))
        second.finish(WHOLE)
        session.vacuum()
        assert len(self.staging_tables(session, target)) == 1
        first.commit(page(2, WHOLE, [{"id": 2}]), page(2, STAGED, [{"id": 2}], slice="s"))
        first.finish(WHOLE, STAGED)
        assert contents(session, WHOLE) == [(1,), (2,)]
        assert contents(session, STAGED) == [(1,), (2,)]
        assert self.staging_tables(session, target) == []

    def test_a_held_run_keeps_its_staged_rows(self, session: Session, target: Target) -> None:
        with session.lease("run-1", "pid 1"):
            self.staged(session)
            self.later(session, MANY)
            session.vacuum()
            assert len(self.staging_tables(session, target)) == 1

    def test_a_later_complete_run_drops_what_nobody_resumes(self, session: Session, target: Target) -> None:
        first = self.staged(session)
        self.later(session, MANY)
        second = first.next_run("run-2")
        second.commit(page(1, WHOLE, [{"id": 7}], run="run-2"))
        assert len(self.staging_tables(session, target)) == 2
        second.finish(WHOLE, complete=False)
        assert len(self.staging_tables(session, target)) == 1, "only a complete run says that the table is good"
        third = first.next_run("run-3")
        third.commit(page(1, WHOLE, [{"id": 8}], run="run-3"))
        third.finish(WHOLE)
        assert self.staging_tables(session, target) == []
        assert contents(session, WHOLE) == [(8,)]

    def test_vacuum_drops_what_nobody_resumes(self, session: Session, target: Target) -> None:
        self.staged(session)
        self.later(session, MANY)
        session.vacuum()
        assert self.staging_tables(session, target) == []
        assert count(session, "staging_staged") == 0

    @pytest.mark.parametrize("late", [WHOLE, STAGED], ids=["replace", "sync"])
    def test_who_comes_back_too_late_is_told(self, session: Session, late: TableSpec) -> None:
        first = self.staged(session)
        self.later(session, MANY)
        session.vacuum()
        with pytest.raises(CommitFailed, match="run-1"):
            first.commit(page(2, late, [{"id": 2}]))
        with pytest.raises(CommitFailed, match="run-1"):
            first.finish(late)
