"""append: every row once; with a key, a row whose key is known is not added again."""

from __future__ import annotations

from headrace.core.contracts import Session

from .build import SECOND, START, Writer, page, table
from .read import contents, rows
from .target import DestinationTests

LOG = table("log", "append", {"line": "string", "n": "int"})
EVENTS = table("events", "append", {"id": "string", "n": "int"}, key=("id",))
HIDDEN = table("hidden", "append", {"raw_data": "json"}, key=("id", "kind"), hidden=("id", "kind"))


class Appending(DestinationTests):
    def test_true_duplicates_stay(self, session: Session) -> None:
        writer = Writer(session).prepare(LOG)
        writer.commit(page(1, LOG, [{"line": "a", "n": 1}, {"line": "a", "n": 1}]))
        receipt = writer.commit(page(2, LOG, [{"line": "a", "n": 1}]))
        assert contents(session, LOG) == [("a", 1)] * 3
        assert receipt.rows["log"] == 1

    def test_another_run_appends_again(self, session: Session) -> None:
        writer = Writer(session).prepare(LOG)
        writer.commit(page(1, LOG, [{"line": "a", "n": 1}]))
        writer.next_run("run-2").commit(page(1, LOG, [{"line": "a", "n": 1}], run="run-2"))
        assert contents(session, LOG) == [("a", 1)] * 2

    def test_a_known_key_is_not_added_again(self, session: Session) -> None:
        writer = Writer(session).prepare(EVENTS)
        writer.commit(page(1, EVENTS, [{"id": "a", "n": 1}, {"id": "b", "n": 1}]))
        writer.commit(page(2, EVENTS, [{"id": "b", "n": 2}, {"id": "c", "n": 2}]))
        writer.next_run("run-2").commit(page(1, EVENTS, [{"id": "c", "n": 3}], run="run-2", at=START + 60 * SECOND))
        assert contents(session, EVENTS) == [("a", 1), ("b", 1), ("c", 2)]

    def test_a_key_twice_in_one_group_is_added_once(self, session: Session) -> None:
        Writer(session).prepare(EVENTS).commit(
            page(1, EVENTS, [{"id": "a", "n": 1}]), page(2, EVENTS, [{"id": "a", "n": 2}])
        )
        assert contents(session, EVENTS) == [("a", 1)]

    def test_a_key_that_the_table_lacks(self, session: Session) -> None:
        writer = Writer(session).prepare(HIDDEN)
        writer.commit(page(1, HIDDEN, [{"id": 1, "kind": "x", "raw_data": "{}"}]))
        writer.commit(
            page(2, HIDDEN, [{"id": 1, "kind": "x", "raw_data": "[1]"}, {"id": 1, "kind": "y", "raw_data": "[2]"}]),
            page(3, HIDDEN, [{"id": 1, "kind": "y", "raw_data": "[3]"}]),
        )
        assert contents(session, HIDDEN) == [("[2]",), ("{}",)]
        assert not set(HIDDEN.hidden) & set(session.columns("hidden"))

    def test_key_parts_do_not_run_together(self, session: Session) -> None:
        spec = table("parts", "append", {"n": "int"}, key=("a", "b"), hidden=("a", "b"))
        pairs = [
            ("ab", "c"),
            ("a", "bc"),
            ("", "abc"),
            ("abc", ""),
            ("a,b", "c"),
            ("a", "b,c"),
            ('a"', "b"),
            ("a", '"b'),
        ]
        Writer(session).prepare(spec).commit(
            page(1, spec, [{"a": a, "b": b, "n": n} for n, (a, b) in enumerate(pairs)])
        )
        assert len(contents(session, spec)) == len(pairs)

    def test_provenance_stands_in_an_unkeyed_table(self, session: Session) -> None:
        one = page(1, LOG, [{"line": "a"}, {"line": "b"}])
        Writer(session).prepare(LOG).commit(one)
        assert rows(session, "log", ["line", "_page", "_record"]) == [("a", one.id, 0), ("b", one.id, 1)]
