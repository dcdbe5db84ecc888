"""replace: the table is exchanged when the step is complete, and never before."""

from __future__ import annotations

from headrace.core.contracts import Session
from headrace.core.errors import HeadraceError

from .build import Writer, finish, page, table
from .read import contents
from .target import DestinationTests, Target

WHOLE = table("whole", "replace", {"id": "int", "name": "string"})


class Replacing(DestinationTests):
    def test_the_old_rows_stand_until_the_new_are_complete(self, session: Session) -> None:
        writer = Writer(session).prepare(WHOLE)
        writer.commit(page(1, WHOLE, [{"id": 1, "name": "old"}]))
        writer.finish(WHOLE)
        assert contents(session, WHOLE) == [(1, "old")]
        later = writer.next_run("run-2")
        later.commit(page(1, WHOLE, [{"id": 2, "name": "new"}], run="run-2"))
        assert contents(session, WHOLE) == [(1, "old")]
        later.commit(page(2, WHOLE, [{"id": 3, "name": "new"}, {"id": 3, "name": "new"}], run="run-2"))
        later.finish(WHOLE)
        assert contents(session, WHOLE) == [(2, "new"), (3, "new"), (3, "new")]

    def test_an_incomplete_run_keeps_the_old_rows(self, session: Session) -> None:
        writer = Writer(session).prepare(WHOLE)
        writer.commit(page(1, WHOLE, [{"id": 1, "name": "old"}]))
        writer.finish(WHOLE)
        partial = writer.next_run("run-2")
        partial.commit(page(1, WHOLE, [{"id": 2, "name": "partial"}], run="run-2"))
        partial.finish(WHOLE, complete=False)
        assert contents(session, WHOLE) == [(1, "old")]
        whole = writer.next_run("run-3")
        whole.commit(page(1, WHOLE, [{"id": 3, "name": "whole"}], run="run-3"))
        whole.finish(WHOLE)
        assert contents(session, WHOLE) == [(3, "whole")]

    def test_an_abandoned_run_leaves_nothing_in_the_next(self, session: Session) -> None:
        writer = Writer(session).prepare(WHOLE)
        writer.next_run("run-1").commit(page(1, WHOLE, [{"id": 1, "name": "abandoned"}]))
        later = writer.next_run("run-2")
        later.commit(page(1, WHOLE, [{"id": 2, "name": "whole"}], run="run-2"))
        later.finish(WHOLE)
        assert contents(session, WHOLE) == [(2, "whole")]

    def test_a_resumed_run_keeps_its_staged_rows(self, target: Target) -> None:
        with target.destination.open() as session:
            Writer(session).prepare(WHOLE).commit(page(1, WHOLE, [{"id": 1, "name": "before the crash"}]))
        with target.destination.open() as session:
            writer = Writer(session).prepare(WHOLE)
            writer.commit(page(2, WHOLE, [{"id": 2, "name": "after"}]))
            writer.finish(WHOLE)
            assert contents(session, WHOLE) == [(1, "before the crash"), (2, "after")]

    def test_a_run_that_is_overtaken_loses_nothing_in_silence(self, session: Session) -> None:
        """It resumes after another run has replaced the table: all of its rows, or an error."""
        first = Writer(session).prepare(WHOLE)
        first.commit(page(1, WHOLE, [{"id": 1, "name": "before"}]))
        second = first.next_run("run-2")
        second.commit(page(1, WHOLE, [{"id": 5, "name": "other"}], run="run-2"))
        second.finish(WHOLE)
        try:
            first.commit(page(2, WHOLE, [{"id": 2, "name": "after"}]))
            first.finish(WHOLE)
        except HeadraceError:
            assert contents(session, WHOLE) == [(5, "other")]
        else:
            assert contents(session, WHOLE) == [(1, "before"), (2, "after")]

    def test_a_complete_run_without_rows_empties_the_table(self, session: Session) -> None:
        writer = Writer(session).prepare(WHOLE)
        writer.commit(page(1, WHOLE, [{"id": 1, "name": "old"}]))
        writer.finish(WHOLE)
        later = writer.next_run("run-2")
        later.commit(page(1, WHOLE, [], run="run-2"))
        later.finish(WHOLE)
        assert contents(session, WHOLE) == []

    def test_the_last_page_and_the_exchange_in_one_commit(self, session: Session) -> None:
        Writer(session).prepare(WHOLE).commit(page(1, WHOLE, [{"id": 1, "name": "a"}]), end=finish(WHOLE))
        assert contents(session, WHOLE) == [(1, "a")]
