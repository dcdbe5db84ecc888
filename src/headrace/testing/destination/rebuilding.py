"""A rebuild fills new tables and exchanges them at once; if it ends early, it was never there."""

from __future__ import annotations

from contextlib import suppress

import pytest

from headrace.core.contracts import Session
from headrace.core.tables import Group, StreamKey, TableSpec

from .build import SECOND, START, Page, Writer, batch, finish, page, table
from .read import contents, count, everything, fetch, rows
from .target import DestinationTests, Target

ITEMS = table("items", "merge", {"id": "int", "name": "string"}, key=("id",))
LOG = table("log", "append", {"line": "string"})
EVENTS = table("events", "append", {"id": "int", "name": "string"}, key=("id",))
HISTORY = table("history", "scd2", {"id": "int", "name": "string"}, key=("id",))
KEY = StreamKey("run-1", "extract")


def replayed(one: Page, spec: TableSpec, rows: list[dict[str, object]]) -> Group:
    """What a replay commits for a page: rows anew, no archive, no checkpoint."""
    return Group("run-1", "scope", batches=[batch(spec, rows, one.id)])


class Rebuilding(DestinationTests):
    def test_a_rehearsal_ends_as_a_rebuild_would_and_writes_nothing(self, target: Target) -> None:
        with target.destination.open() as session:
            writer = Writer(session).prepare(ITEMS)
            writer.commit(page(1, ITEMS, [{"id": n} for n in range(10)]))
            writer.finish(ITEMS)
            second = writer.next_run("run-2")
            second.commit(page(1, ITEMS, [{"id": n} for n in range(5)], run="run-2", at=START + 2000 * SECOND))
            second.finish(ITEMS, at=START + 2010 * SECOND)
            session.decide_removals("items", "run-2", confirm=True)
            stood = everything(session, [ITEMS], [KEY, StreamKey("run-2", "extract")])
        with target.destination.open(read_only=True) as session, session.rehearse(["items"]) as scratch:
            with scratch.rebuild([ITEMS]) as inner:
                for number, run in enumerate(("run-1", "run-2")):
                    rows = [{"id": n, "name": "new"} for n in range(10 - 5 * number)]
                    at = page(1, run=run, at=START + 2000 * number * SECOND).id
                    inner.commit(Group(run, "scope", batches=[batch(ITEMS, rows, at)]))
                    inner.commit(Group(run, "scope", finish=finish(ITEMS, at=START + 3000 * SECOND)))
            assert [name for _, name in contents(scratch, ITEMS)] == ["new"] * 10
            assert count(scratch, "items_removed") == 5, "what a person confirmed is confirmed"
            assert everything(session, [ITEMS], [KEY, StreamKey("run-2", "extract")]) == stood
        with target.destination.open() as session:
            assert everything(session, [ITEMS], [KEY, StreamKey("run-2", "extract")]) == stood

    def test_a_clean_exit_exchanges_the_table(self, session: Session) -> None:
        writer = Writer(session).prepare(ITEMS, LOG)
        one = page(1, ITEMS, [{"id": 1, "name": "old"}, {"id": 2, "name": "old"}])
        writer.commit(one)
        writer.commit(page(2, LOG, [{"line": "stays"}]))
        stood = session.checkpoint(KEY)
        with session.rebuild([ITEMS]) as other:
            other.commit(replayed(one, ITEMS, [{"id": 1, "name": "new"}, {"id": 3, "name": "new"}]))
        assert contents(session, ITEMS) == [(1, "new"), (3, "new")]
        assert rows(session, "items_current", ["id"]) == [(1,), (3,)]
        assert contents(session, LOG) == [("stays",)]
        assert session.checkpoint(KEY) == stood
        assert len(list(session.raw_pages("raw_pages"))) == 2

    @pytest.mark.parametrize("spec", [ITEMS, LOG, EVENTS, HISTORY], ids=lambda spec: spec.write + " ".join(spec.key))
    def test_an_error_leaves_no_trace(self, session: Session, target: Target, spec: TableSpec) -> None:
        row: dict[str, object] = {"id": 1, "name": "old", "line": "old"}
        one = page(1, spec, [row])
        Writer(session).prepare(spec).commit(one)
        before = contents(session, spec), sorted(fetch(session, target.tables))
        with suppress(KeyError), session.rebuild([spec]) as other:
            other.commit(replayed(one, spec, [{**row, "name": "new", "line": "new"}]))
            raise KeyError("half way")
        assert (contents(session, spec), sorted(fetch(session, target.tables))) == before
        Writer(session).commit(page(2, spec, [{"id": 2, "name": "on", "line": "on"}]))
        assert len(contents(session, spec)) == 2

    def test_a_clean_exit_leaves_no_other_tables(self, session: Session, target: Target) -> None:
        one = page(1, ITEMS, [{"id": 1, "name": "old"}])
        Writer(session).prepare(ITEMS).commit(one)
        before = sorted(fetch(session, target.tables))
        for name in ("new", "newer"):
            with session.rebuild([ITEMS]) as other:
                other.commit(replayed(one, ITEMS, [{"id": 1, "name": name}]))
            assert contents(session, ITEMS) == [(1, name)]
        assert sorted(fetch(session, target.tables)) == before

    def test_the_old_rows_are_read_meanwhile(self, target: Target) -> None:
        if not target.destination.capabilities().concurrent_writers:
            pytest.skip("nobody else can read")
        one = page(1, ITEMS, [{"id": 1, "name": "old"}])
        with target.destination.open() as session, target.destination.open(read_only=True) as reader:
            Writer(session).prepare(ITEMS).commit(one)
            with session.rebuild([ITEMS]) as other:
                other.commit(replayed(one, ITEMS, [{"id": 1, "name": "new"}]))
                assert contents(reader, ITEMS) == [(1, "old")]
            assert contents(reader, ITEMS) == [(1, "new")]

    def test_rows_of_several_commits_merge(self, session: Session) -> None:
        first = page(1, ITEMS, [{"id": 1, "name": "a"}])
        second = page(2, ITEMS, [{"id": 1, "name": "b"}])
        Writer(session).prepare(ITEMS).commit(first, second)
        with session.rebuild([ITEMS]) as other:
            other.commit(replayed(first, ITEMS, [{"id": 1, "name": "A"}]))
            other.commit(replayed(second, ITEMS, [{"id": 1, "name": "B"}]))
        assert contents(session, ITEMS) == [(1, "B")]

    def test_a_crawl_goes_on_after_a_rebuild(self, session: Session) -> None:
        one = page(1, ITEMS, [{"id": n, "name": "a"} for n in range(6)])
        writer = Writer(session).prepare(ITEMS)
        writer.commit(one)
        with session.rebuild([ITEMS]) as other:
            other.commit(replayed(one, ITEMS, [{"id": n, "name": "b"} for n in range(6)]))
        writer.commit(page(2, ITEMS, [{"id": 2, "name": "c"}]))
        writer.finish(ITEMS)
        assert contents(session, ITEMS)[2] == (2, "c")
        later = writer.next_run("run-2")
        again = [{"id": n, "name": "d"} for n in range(5)]
        later.commit(page(1, ITEMS, again, run="run-2", at=START + 60 * SECOND), end=finish(ITEMS))
        assert rows(session, "items_removed", ["id"]) == [(5,)]

    def test_a_rebuild_may_change_the_columns(self, session: Session) -> None:
        one = page(1, ITEMS, [{"id": 1, "name": "a"}])
        Writer(session).prepare(ITEMS).commit(one)
        mapped = table("items", "merge", {"id": "string", "size": "int"}, key=("id",))
        with session.rebuild([mapped]) as other:
            other.commit(replayed(one, mapped, [{"id": "1", "size": 5}]))
        assert contents(session, mapped) == [("1", 5)]
        assert list(session.columns("items")) == ["id", "size"]
        assert rows(session, "items_current", ["id", "size"]) == [("1", 5)]

    def test_rebuilding_a_table_that_is_not_there_yet(self, session: Session) -> None:
        Writer(session).prepare()
        with session.rebuild([ITEMS]) as other:
            other.commit(replayed(page(1), ITEMS, [{"id": 1, "name": "a"}]))
        assert contents(session, ITEMS) == [(1, "a")]
        assert count(session, "items_rejected") == 0

    def test_a_view_of_the_user_s_own_survives_a_rebuild(self, target: Target) -> None:
        one = page(1, ITEMS, [{"id": 1, "name": "old"}])
        with target.destination.open() as session:
            Writer(session).prepare(ITEMS).commit(one)
        target.execute("CREATE VIEW mine AS SELECT id, name FROM items")
        target.execute("CREATE VIEW yours AS SELECT id, name FROM items_current")
        with target.destination.open() as session:
            Writer(session).prepare(ITEMS)
            with session.rebuild([ITEMS]) as other:
                other.commit(replayed(one, ITEMS, [{"id": 1, "name": "new"}]))
            assert rows(session, "mine", ["id", "name"]) == [(1, "new")]
            assert rows(session, "yours", ["id", "name"]) == [(1, "new")]

    def test_what_was_removed_is_removed_in_the_rebuilt_table(self, session: Session) -> None:
        """A replay commits the ends of its runs as well."""
        groups = []
        for number, ids in ((1, range(10)), (2, range(9))):
            writer = Writer(session, f"run-{number}").prepare(ITEMS)
            at = START + number * 100 * SECOND
            one = page(1, ITEMS, [{"id": n, "name": "x"} for n in ids], run=writer.run, at=at)
            end = finish(ITEMS, at=at + SECOND)
            writer.commit(one, end=end)
            groups.append(Group(writer.run, "scope", batches=one.batches, finish=end))
        before = session.removals()
        with session.rebuild([ITEMS]) as other:
            for each in groups:
                other.commit(each)
        assert rows(session, "items_removed", ["id"]) == [(9,)]
        assert session.removals() == before

    def test_without_rows_the_table_is_empty(self, session: Session) -> None:
        Writer(session).prepare(ITEMS).commit(page(1, ITEMS, [{"id": 1}]))
        with session.rebuild([ITEMS]):
            pass
        assert contents(session, ITEMS) == []
