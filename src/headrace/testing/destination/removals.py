"""What is gone: by scope, only after complete runs, and not too much at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from headrace.core.contracts import Session
from headrace.core.errors import UsageError
from headrace.core.tables import Receipt, Rejected, Removals, TableSpec

from .build import SECOND, START, Writer, finish, page, table
from .read import contents, rows
from .runs import record
from .target import DestinationTests, Target

ITEMS = table("items", "merge", {"id": "int", "name": "string"}, key=("id",))
SLOW = table("slow", "merge", {"id": "int", "name": "string"}, key=("id",), removed_after=2)
STRICT = table("strict", "merge", {"id": "int", "name": "string"}, key=("id",), removed_share=0.0)
LAX = table("lax", "merge", {"id": "int", "name": "string"}, key=("id",), removed_share=1.0)
TEN = range(10)


def crawl(
    session: Session,
    number: int,
    ids: Iterable[int],
    *,
    spec: TableSpec = ITEMS,
    scope: str = "scope",
    complete: bool = True,
    split: bool = False,
) -> list[Removals]:
    """Run ``number`` sees ``ids``; returns what its end found gone. ``split`` ends in a commit of its own."""
    run = f"run-{number}"
    writer = Writer(session, run, scope).prepare(spec)
    at = START + number * 100 * SECOND
    one = page(1, spec, [{"id": n, "name": "x"} for n in ids], run=run, at=at)
    end = finish(spec, scope=scope, complete=complete, at=at + 10 * SECOND)
    receipt: Receipt
    if split:
        writer.commit(one)
        receipt = writer.finish(spec, complete=complete, at=at + 10 * SECOND)
    else:
        receipt = writer.commit(one, end=end)
    return list(receipt.removals)


def current(session: Session, spec: TableSpec = ITEMS) -> list[int]:
    return [row[0] for row in rows(session, f"{spec.name}_current", ["id"])]


def removed(session: Session, spec: TableSpec = ITEMS) -> list[int]:
    return [row[0] for row in rows(session, f"{spec.name}_removed", ["id"])]


def but(*gone: int) -> list[int]:
    return [n for n in TEN if n not in gone]


def begin(session: Session, number: int) -> Writer:
    """Run ``number`` begins as :func:`crawl` counts time."""
    at = START + number * 100 * SECOND
    session.prepare([ITEMS], [])
    session.save_run(record(number, started_at=at, now=at))
    return Writer(session, f"run-{number}").prepare(ITEMS)


class Removing(DestinationTests):
    def test_rows_are_current_as_soon_as_they_are_committed(self, session: Session) -> None:
        Writer(session).prepare(ITEMS).commit(page(1, ITEMS, [{"id": 1}]))
        assert current(session) == [1]
        assert removed(session) == []

    @pytest.mark.parametrize("split", [True, False], ids=["own commit", "with the last page"])
    def test_a_complete_run_without_a_row_removes_it(self, session: Session, split: bool) -> None:
        crawl(session, 1, TEN, split=split)
        found = crawl(session, 2, but(3), split=split)
        assert [(each.table, each.scope, each.run_id, each.missing, each.status) for each in found] == [
            ("items", "scope", "run-2", 1, "applied")
        ]
        assert current(session) == but(3)
        assert removed(session) == [3]
        assert len(contents(session, ITEMS)) == 10, "nothing is deleted"

    def test_an_incomplete_run_infers_nothing(self, session: Session) -> None:
        crawl(session, 1, TEN)
        assert crawl(session, 2, but(3), complete=False) == []
        assert current(session) == list(TEN)

    def test_a_run_that_never_ends_infers_nothing(self, session: Session) -> None:
        crawl(session, 1, TEN)
        Writer(session, "run-2").commit(page(1, ITEMS, [{"id": 1}], run="run-2", at=START + 200 * SECOND))
        assert current(session) == list(TEN)
        crawl(session, 3, TEN)
        assert current(session) == list(TEN)

    def test_a_row_that_comes_back_is_current_at_once(self, session: Session) -> None:
        crawl(session, 1, TEN)
        crawl(session, 2, but(3))
        writer = Writer(session, "run-3").prepare(ITEMS)
        writer.commit(page(1, ITEMS, [{"id": 3, "name": "back"}], run="run-3", at=START + 300 * SECOND))
        assert current(session) == list(TEN)
        assert removed(session) == []

    def test_removed_again_after_it_came_back(self, session: Session) -> None:
        crawl(session, 1, TEN)
        crawl(session, 2, but(3))
        crawl(session, 3, TEN)
        crawl(session, 4, but(3))
        assert removed(session) == [3]

    def test_removed_stays_removed(self, session: Session) -> None:
        crawl(session, 1, TEN)
        crawl(session, 2, but(3))
        found = crawl(session, 3, but(3))
        assert removed(session) == [3]
        assert sum(each.missing for each in found) == 0, "what is gone already is not found again"

    def test_a_resumed_run_keeps_what_it_saw_before(self, target: Target) -> None:
        with target.destination.open() as session:
            crawl(session, 1, TEN)
            writer = Writer(session, "run-2")
            writer.commit(page(1, ITEMS, [{"id": n} for n in range(5)], run="run-2", at=START + 200 * SECOND))
        with target.destination.open() as session:
            writer = Writer(session, "run-2").prepare(ITEMS)
            writer.commit(page(2, ITEMS, [{"id": n} for n in range(5, 9)], run="run-2", at=START + 201 * SECOND))
            writer.finish(ITEMS, at=START + 210 * SECOND)
            assert removed(session) == [9]

    def test_removed_after_two_complete_runs(self, session: Session) -> None:
        crawl(session, 1, TEN, spec=SLOW)
        crawl(session, 2, but(3), spec=SLOW)
        assert removed(session, SLOW) == []
        crawl(session, 3, but(3, 4), spec=SLOW, complete=False)
        assert removed(session, SLOW) == []
        crawl(session, 4, but(3, 5), spec=SLOW)
        assert removed(session, SLOW) == [3]

    def test_a_row_seen_between_starts_counting_again(self, session: Session) -> None:
        crawl(session, 1, TEN, spec=SLOW)
        crawl(session, 2, but(3), spec=SLOW)
        crawl(session, 3, TEN, spec=SLOW)
        crawl(session, 4, but(3), spec=SLOW)
        assert removed(session, SLOW) == []

    def test_the_same_end_twice_counts_once(self, session: Session) -> None:
        """A run that is resumed after its last commit ends again."""
        crawl(session, 1, TEN, spec=SLOW)
        crawl(session, 2, but(3), spec=SLOW)
        Writer(session, "run-2").finish(SLOW, at=START + 220 * SECOND)
        assert removed(session, SLOW) == []


class Overlapping(DestinationTests):
    """Runs of one scope that are under way at the same time: one was paused, and goes on after the other."""

    def test_what_a_run_saw_before_another_did_is_not_missed_by_it(self, session: Session) -> None:
        first = begin(session, 1)
        first.commit(page(1, ITEMS, [{"id": n} for n in TEN], run="run-1", at=START + 101 * SECOND))
        begin(session, 2)
        crawl(session, 2, TEN)
        first.commit(page(2, ITEMS, [{"id": 10}], run="run-1", at=START + 300 * SECOND))
        assert not first.finish(ITEMS, at=START + 310 * SECOND).removals
        assert removed(session) == []

    def test_what_came_behind_a_run_is_not_missed_by_it(self, session: Session) -> None:
        first = begin(session, 1)
        first.commit(page(1, ITEMS, [{"id": n} for n in TEN], run="run-1", at=START + 101 * SECOND))
        begin(session, 2)
        crawl(session, 2, [*TEN, 10])
        assert not first.finish(ITEMS, at=START + 310 * SECOND).removals
        assert removed(session) == []
        assert sorted(current(session)) == [*TEN, 10]

    def test_what_was_gone_before_a_run_began_is_missed_by_it(self, session: Session) -> None:
        begin(session, 1)
        crawl(session, 1, TEN)
        begin(session, 2)
        crawl(session, 2, but(3))
        assert removed(session) == [3]

    def test_confirming_a_run_spares_what_a_later_one_missed(self, session: Session) -> None:
        """Run 2 saw 9, run 3 missed it: what run 2 held back says nothing about it."""
        for number, ids in ((1, list(TEN)), (2, but(1, 2, 3)), (3, but(1, 2, 3, 9))):
            begin(session, number)
            crawl(session, number, ids)
        assert [(each.run_id, each.status, each.missing) for each in session.removals()] == [
            ("run-2", "held", 3),
            ("run-3", "held", 4),
        ]
        session.decide_removals("items", "run-2", confirm=True)
        assert removed(session) == [1, 2, 3]
        session.decide_removals("items", "run-3", confirm=True)
        assert removed(session) == [1, 2, 3, 9]


class Scopes(DestinationTests):
    def test_a_scope_removes_only_its_own_rows(self, session: Session) -> None:
        crawl(session, 1, range(10), scope="de")
        crawl(session, 2, range(10, 20), scope="us")
        crawl(session, 3, but(3), scope="de")
        assert removed(session) == [3]
        assert len(current(session)) == 19

    def test_a_row_is_removed_when_no_scope_has_it(self, session: Session) -> None:
        crawl(session, 1, TEN, scope="de")
        crawl(session, 2, TEN, scope="us")
        crawl(session, 3, but(3), scope="de")
        assert removed(session) == []
        crawl(session, 4, but(3), scope="us")
        assert removed(session) == [3]

    def test_one_scope_finds_again_what_the_other_lost(self, session: Session) -> None:
        crawl(session, 1, TEN, scope="de")
        crawl(session, 2, but(3), scope="de")
        assert removed(session) == [3]
        crawl(session, 3, TEN, scope="us")
        assert removed(session) == []

    def test_the_guard_counts_within_the_scope(self, session: Session) -> None:
        crawl(session, 1, range(100, 200), scope="us")
        crawl(session, 2, TEN, scope="de")
        (found,) = crawl(session, 3, but(1, 2, 3), scope="de")
        assert (found.status, found.missing, found.known) == ("held", 3, 10)
        assert removed(session) == []


class Guard(DestinationTests):
    def test_up_to_the_share_is_applied(self, session: Session) -> None:
        crawl(session, 1, TEN)
        (found,) = crawl(session, 2, but(1, 2))
        assert (found.status, found.missing, found.known) == ("applied", 2, 10)
        assert removed(session) == [1, 2]

    def test_more_than_the_share_is_held(self, session: Session) -> None:
        crawl(session, 1, TEN)
        (found,) = crawl(session, 2, but(1, 2, 3))
        assert (found.status, found.missing, found.known) == ("held", 3, 10)
        assert current(session) == list(TEN)
        (listed,) = [each for each in session.removals(table="items") if each.missing]
        assert (listed.status, listed.scope, listed.run_id, listed.missing) == ("held", "scope", "run-2", 3)

    def test_a_run_that_could_not_store_every_record_is_held_back(self, session: Session) -> None:
        """What is missing may be the record that was rejected: nobody knows its key."""
        crawl(session, 1, TEN)
        crawl(session, 2, TEN)
        writer = Writer(session, "run-3").prepare(ITEMS)
        at = START + 300 * SECOND
        one = page(1, ITEMS, [{"id": n} for n in but(3)], run="run-3", at=at)
        lost = Rejected("items", one.id, 9, "no integer", "id", b'{"id":3}')
        receipt = writer.commit(replace(one, rejected=(lost,)), end=finish(ITEMS, at=at))
        assert [(each.status, each.missing) for each in receipt.removals] == [("held", 1)]
        assert removed(session) == []
        crawl(session, 4, but(3))
        assert removed(session) == [3]

    @pytest.mark.parametrize(("spec", "status"), [(STRICT, "held"), (LAX, "applied")], ids=["strict", "lax"])
    def test_the_share_is_the_table_s_own(self, session: Session, spec: TableSpec, status: str) -> None:
        crawl(session, 1, TEN, spec=spec)
        gone = but(1) if spec is STRICT else []
        (found,) = crawl(session, 2, gone, spec=spec)
        assert found.status == status

    def test_confirmed_removals_are_applied(self, session: Session) -> None:
        crawl(session, 1, TEN)
        crawl(session, 2, but(1, 2, 3))
        assert session.decide_removals("items", "run-2", confirm=True) == 3
        assert removed(session) == [1, 2, 3]
        assert [each.status for each in session.removals(table="items") if each.missing] == ["confirmed"]

    def test_rejected_removals_stay_current(self, session: Session) -> None:
        crawl(session, 1, TEN)
        crawl(session, 2, but(1, 2, 3))
        assert session.decide_removals("items", "run-2", confirm=False) == 3
        assert current(session) == list(TEN)
        assert [each.status for each in session.removals(table="items") if each.missing] == ["rejected"]

    def test_confirming_spares_what_has_come_back(self, session: Session) -> None:
        crawl(session, 1, TEN)
        crawl(session, 2, but(1, 2, 3))
        writer = Writer(session, "run-3").prepare(ITEMS)
        writer.commit(page(1, ITEMS, [{"id": 2}], run="run-3", at=START + 300 * SECOND))
        session.decide_removals("items", "run-2", confirm=True)
        assert removed(session) == [1, 3]

    def test_a_decision_is_made_once(self, session: Session) -> None:
        crawl(session, 1, TEN)
        crawl(session, 2, but(1, 2, 3))
        session.decide_removals("items", "run-2", confirm=True)
        with pytest.raises(UsageError):
            session.decide_removals("items", "run-2", confirm=False)
        assert removed(session) == [1, 2, 3]

    def test_nothing_to_decide(self, session: Session) -> None:
        crawl(session, 1, TEN)
        with pytest.raises(UsageError, match="run-9"):
            session.decide_removals("items", "run-9", confirm=True)

    def test_held_then_seen_again_by_a_later_run(self, session: Session) -> None:
        crawl(session, 1, TEN)
        crawl(session, 2, but(1, 2, 3))
        crawl(session, 3, TEN)
        assert current(session) == list(TEN)
        assert removed(session) == []

    def test_a_scope_that_collapses_is_held_again_and_again(self, session: Session) -> None:
        crawl(session, 1, TEN)
        for number in (2, 3, 4):
            crawl(session, number, [])
            assert current(session) == list(TEN), f"run {number}"


class Purging(DestinationTests):
    def test_removed_rows_are_deleted_on_request_only(self, session: Session) -> None:
        crawl(session, 1, TEN)
        crawl(session, 2, but(3))
        assert session.purge(table="items", removed=True) == 1
        assert [row[0] for row in contents(session, ITEMS)] == but(3)
        assert removed(session) == []
        crawl(session, 3, TEN)
        assert current(session) == list(TEN)
