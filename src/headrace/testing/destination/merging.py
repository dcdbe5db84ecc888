"""merge: one row a key; the latest page wins, in whichever order pages are committed."""

from __future__ import annotations

import pytest

from headrace.core.contracts import Session
from headrace.core.types import ColumnType

from .build import SECOND, START, Writer, page, table
from .read import contents, rows
from .target import DestinationTests

ITEMS = table("items", "merge", {"id": "int", "name": "string", "size": "int"}, key=("id",))
KEPT = table("kept", "merge", {"id": "int", "name": "string", "size": "int"}, key=("id",), missing="keep")
PAIRS = table("pairs", "merge", {"a": "string", "b": "int", "v": "string"}, key=("a", "b"))
HASHED = table(
    "hashed", "merge", {"id": "int", "name": "string", "url": "string", "hash": "string"},
    key=("id",), hash_column="hash", hash_without=frozenset({"url", "hash"}),
)  # fmt: skip


class Merging(DestinationTests):
    def test_new_changed_and_untouched_rows(self, session: Session) -> None:
        writer = Writer(session).prepare(ITEMS)
        writer.commit(page(1, ITEMS, [{"id": n, "name": "a", "size": n} for n in (1, 2, 3)]))
        writer.commit(page(2, ITEMS, [{"id": 2, "name": "b", "size": 9}, {"id": 4, "name": "d"}]))
        assert contents(session, ITEMS) == [(1, "a", 1), (2, "b", 9), (3, "a", 3), (4, "d", None)]

    @pytest.mark.parametrize("declared", ["json", None])
    @pytest.mark.parametrize("write", ["merge", "append", "replace", "scd2"])
    def test_a_key_of_json(self, session: Session, declared: ColumnType | None, write: str) -> None:
        """Compared as its text, and kept as text."""
        spec = table("places", write, {"at": declared, "n": "int"}, key=("at",))
        writer = Writer(session).prepare(spec)
        for number in (1, 2):
            rows_of_page = [{"at": '{"x":1}', "n": number}, {"at": f"[{number}]", "n": number}]
            changes: list[tuple[str, ColumnType | None, ColumnType]] = [("at", "untyped", "json")]
            writer.commit(page(number, spec, rows_of_page, types={"at": "json", "n": "int"}, changes=changes))
        writer.finish(spec)
        assert {row[0] for row in contents(session, spec)} == {'{"x":1}', "[1]", "[2]"}
        assert session.columns("places")["at"] == "string"

    def test_a_keyed_table_has_exactly_its_columns(self, session: Session) -> None:
        Writer(session).prepare(ITEMS).commit(page(1, ITEMS, [{"id": 1}]))
        assert list(session.columns("items")) == ["id", "name", "size"]

    def test_a_key_twice_in_one_group_keeps_the_later(self, session: Session) -> None:
        Writer(session).prepare(ITEMS).commit(
            page(1, ITEMS, [{"id": 1, "name": "a"}]), page(2, ITEMS, [{"id": 1, "name": "b"}])
        )
        assert contents(session, ITEMS) == [(1, "b", None)]

    @pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
    @pytest.mark.parametrize("together", [True, False], ids=["one group", "two groups"])
    def test_two_slices_write_one_key_in_either_order(
        self, session: Session, order: tuple[str, str], together: bool
    ) -> None:
        writer = Writer(session).prepare(ITEMS)
        times = {"a": START, "b": START + SECOND}
        pages = [page(1, ITEMS, [{"id": 1, "name": each}], slice=each, at=times[each]) for each in order]
        for one in [pages] if together else [[each] for each in pages]:
            writer.commit(*one)
        assert contents(session, ITEMS) == [(1, "b", None)]

    def test_a_composite_key(self, session: Session) -> None:
        writer = Writer(session).prepare(PAIRS)
        writer.commit(page(1, PAIRS, [{"a": "x", "b": 1, "v": "1"}, {"a": "x", "b": 2, "v": "2"}]))
        writer.commit(page(2, PAIRS, [{"a": "x", "b": 2, "v": "3"}, {"a": "X", "b": 2, "v": "4"}]))
        assert contents(session, PAIRS) == [("X", 2, "4"), ("x", 1, "1"), ("x", 2, "3")]

    def test_an_absent_value_becomes_null(self, session: Session) -> None:
        writer = Writer(session).prepare(ITEMS)
        writer.commit(page(1, ITEMS, [{"id": 1, "name": "a", "size": 1}]))
        writer.commit(page(2, ITEMS, [{"id": 1, "size": 2}]))
        assert contents(session, ITEMS) == [(1, None, 2)]

    @pytest.mark.parametrize("together", [True, False], ids=["one group", "two groups"])
    def test_an_absent_value_keeps_what_is_there(self, session: Session, together: bool) -> None:
        writer = Writer(session).prepare(KEPT)
        pages = [
            page(1, KEPT, [{"id": 1, "name": "a", "size": 1}, {"id": 2, "name": "b"}]),
            page(2, KEPT, [{"id": 1, "size": 2}, {"id": 2, "size": 3}]),
            page(3, KEPT, [{"id": 1, "name": "c"}]),
        ]
        for one in [pages] if together else [[each] for each in pages]:
            writer.commit(*one)
        assert contents(session, KEPT) == [(1, "c", 2), (2, "b", 3)]

    def test_a_late_page_fills_what_is_kept_but_changes_nothing(self, session: Session) -> None:
        writer = Writer(session).prepare(KEPT)
        writer.commit(page(1, KEPT, [{"id": 1, "name": "new"}], slice="b", at=START + 9 * SECOND))
        writer.commit(page(1, KEPT, [{"id": 1, "name": "old", "size": 7}], slice="a"))
        assert contents(session, KEPT) == [(1, "new", 7)]

    def test_an_unchanged_hash_is_not_written_again(self, session: Session) -> None:
        writer = Writer(session).prepare(HASHED)
        writer.commit(page(1, HASHED, [{"id": 1, "name": "a", "url": "u1", "hash": "h1"}]))
        writer.commit(page(2, HASHED, [{"id": 1, "name": "a", "url": "u2", "hash": "h1"}]))
        assert contents(session, HASHED) == [(1, "a", "u1", "h1")]
        writer.commit(page(3, HASHED, [{"id": 1, "name": "b", "url": "u3", "hash": "h2"}]))
        assert contents(session, HASHED) == [(1, "b", "u3", "h2")]

    def test_an_unchanged_hash_still_counts_as_seen(self, session: Session) -> None:
        writer = Writer(session).prepare(HASHED)
        before = [{"id": n, "name": "a", "hash": f"h{n}"} for n in range(6)]
        writer.commit(page(1, HASHED, before))
        writer.finish(HASHED)
        later = writer.next_run("run-2")
        later.commit(page(1, HASHED, before[:5], run="run-2", at=START + 60 * SECOND))
        later.finish(HASHED, at=START + 2000 * SECOND)
        assert rows(session, "hashed_removed", ["id"]) == [(5,)]

    def test_an_unchanged_row_is_as_new_as_its_last_sighting(self, session: Session) -> None:
        writer = Writer(session).prepare(HASHED)
        for number, slice, at in ((1, "a", 1), (2, "a", 9)):
            found = {"id": 1, "name": "stands", "hash": "h1"}
            writer.commit(page(number, HASHED, [found], slice=slice, at=START + at * SECOND))
        late = page(1, HASHED, [{"id": 1, "name": "late", "hash": "h2"}], slice="b", at=START + 5 * SECOND)
        writer.commit(late)
        assert rows(session, "hashed", ["id", "name"]) == [(1, "stands")]

    def test_a_null_in_every_other_column(self, session: Session) -> None:
        Writer(session).prepare(ITEMS).commit(page(1, ITEMS, [{"id": n} for n in range(3)]))
        assert contents(session, ITEMS) == [(0, None, None), (1, None, None), (2, None, None)]
