"""What a DuckDB session remembers of its last commit: nothing that another session of the process may have changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from headrace.core import faults
from headrace.core.contracts import Session
from headrace.core.errors import CommitFailed, Fenced
from headrace.destinations import from_url
from headrace.testing.destination.build import Writer, group, page, table
from headrace.testing.destination.read import fetch

ITEMS = table("items", "merge", {"id": "int", "word": "string"}, key=["id"])


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Session, Session]]:
    with ExitStack() as stack:
        first = stack.enter_context(from_url(f"duckdb:///{tmp_path}/test.duckdb").open())
        yield first, stack.enter_context(from_url(f"duckdb:///{tmp_path}/test.duckdb").open())


def rows(first: int, last: int, word: str) -> list[dict[str, Any]]:
    return [{"id": n, "word": word} for n in range(first, last)]


def _fail(point: str) -> None:
    if point == "commit.before_commit":
        raise faults.InjectedFault(point)


def words(session: Session) -> list[tuple[Any, ...]]:
    return fetch(session, "SELECT word, count(*), count(DISTINCT id) FROM items GROUP BY word ORDER BY word")


def test_keys_that_rise_and_then_come_again(two: tuple[Session, Session]) -> None:
    writer = Writer(two[0]).prepare(ITEMS)
    written = [writer.commit(page(1, ITEMS, rows(0, 10, "a"))), writer.commit(page(2, ITEMS, rows(10, 20, "a"))),
               writer.commit(page(3, ITEMS, rows(15, 25, "b"))), writer.commit(page(4, ITEMS, rows(25, 30, "c")))]  # fmt: skip
    assert [receipt.rows for receipt in written] == [{"items": 10}, {"items": 10}, {"items": 10}, {"items": 5}]
    assert words(two[0]) == [("a", 15, 15), ("b", 10, 10), ("c", 5, 5)]


def test_keys_that_another_session_has_written_meanwhile(two: tuple[Session, Session]) -> None:
    mine, theirs = Writer(two[0]).prepare(ITEMS), Writer(two[1], run="run-2").prepare(ITEMS)
    mine.commit(page(1, ITEMS, rows(0, 10, "a")))
    mine.commit(page(2, ITEMS, rows(10, 20, "a")))
    theirs.commit(page(1, ITEMS, rows(100, 110, "b"), run="run-2"))
    mine.commit(page(3, ITEMS, rows(105, 120, "c")))
    assert words(two[0]) == [("a", 20, 20), ("b", 5, 5), ("c", 15, 15)]


def test_another_key(two: tuple[Session, Session]) -> None:
    """Two declarations of one table: what one of them has seen says nothing of the other's key."""
    other = table("items", "merge", {"number": "int", "id": "int", "word": "string"}, key=["number"], membership=False)
    plain = table("items", "merge", {"id": "int", "word": "string"}, key=["id"], membership=False)
    writer = Writer(two[0]).prepare(plain)
    writer.commit(page(1, plain, rows(0, 10, "a")))
    writer.prepare(other)
    writer.commit(page(2, other, [{"number": n, "id": 100 + n, "word": "b"} for n in range(50, 60)]))
    writer.prepare(plain)
    writer.commit(page(3, plain, rows(155, 165, "c")))
    assert words(two[0]) == [("a", 10, 10), ("b", 5, 5), ("c", 10, 10)]


def test_a_stream_that_another_session_has_moved_is_fenced(two: tuple[Session, Session]) -> None:
    mine, theirs = Writer(two[0]).prepare(ITEMS), Writer(two[1]).prepare(ITEMS)
    mine.commit(first := page(1, ITEMS, rows(0, 10, "a")))
    standing = two[0].checkpoint(first.key)
    theirs.commit(page(2, ITEMS, rows(10, 20, "b")))
    with pytest.raises(Fenced, match="stands at page 2, not at page 1"):
        two[0].commit(group([page(2, ITEMS, rows(10, 20, "c"))], {first.key: standing}))
    assert words(two[1]) == [("a", 10, 10), ("b", 10, 10)]


def test_a_stale_place_is_fenced_by_what_this_session_has_written_itself(two: tuple[Session, Session]) -> None:
    writer = Writer(two[0]).prepare(ITEMS)
    writer.commit(first := page(1, ITEMS, rows(0, 10, "a")))
    standing = two[0].checkpoint(first.key)
    writer.commit(page(2, ITEMS, rows(10, 20, "a")))
    with pytest.raises(Fenced):
        two[0].commit(group([page(2, ITEMS, rows(20, 30, "b"))], {first.key: standing}))
    writer.commit(page(3, ITEMS, rows(20, 30, "c")))  # and what failed has left nothing behind
    assert words(two[0]) == [("a", 20, 20), ("c", 10, 10)]


def test_an_archived_page_that_comes_again_is_replaced(two: tuple[Session, Session]) -> None:
    writer = Writer(two[0]).prepare(ITEMS)
    for number, body in ((1, b"1"), (2, b"2"), (2, b"2 again"), (4, b"4"), (3, b"3")):
        found = writer.group(page(number, ITEMS, rows(number, number + 1, "a"), body=body))
        two[0].commit(found)
    archived = fetch(two[0], "SELECT page_number, size FROM raw_pages ORDER BY page_number")
    assert archived == [(1, 1), (2, 7), (3, 1), (4, 1)]


def test_what_was_archived_before_the_session_is_replaced_too(two: tuple[Session, Session]) -> None:
    Writer(two[0]).prepare(ITEMS).commit(page(5, ITEMS, rows(0, 1, "a"), body=b"of another session"))
    Writer(two[1]).prepare(ITEMS).commit(page(5, ITEMS, rows(0, 1, "a"), body=b"new"))
    assert fetch(two[1], "SELECT page_number, size FROM raw_pages") == [(5, 3)]


def test_pages_of_streams_in_turns(two: tuple[Session, Session]) -> None:
    Writer(two[0]).prepare(ITEMS).commit(page(9, ITEMS, rows(0, 1, "a"), slice="b", body=b"of another session"))
    writer = Writer(two[1]).prepare(ITEMS)
    writer.commit(page(3, ITEMS, rows(0, 1, "a"), slice="a", body=b"a"))
    writer.commit(page(9, ITEMS, rows(0, 1, "a"), slice="b", body=b"new"))
    writer.commit(page(4, ITEMS, rows(0, 1, "a"), slice="a", body=b"a"), page(10, ITEMS, (), slice="b", body=b"b"))
    writer.commit(page(5, ITEMS, rows(0, 1, "a"), slice="a", body=b"a"))
    archived = fetch(two[1], "SELECT slice, page_number, size FROM raw_pages ORDER BY slice, page_number")
    assert archived == [("a", 3, 1), ("a", 4, 1), ("a", 5, 1), ("b", 9, 3), ("b", 10, 1)]


def test_what_failed_leaves_nothing(two: tuple[Session, Session]) -> None:
    writer = Writer(two[0]).prepare(ITEMS)
    writer.commit(page(1, ITEMS, rows(0, 10, "a")))
    again = writer.group(page(2, ITEMS, rows(10, 20, "b")))
    faults.install(_fail)
    try:
        with pytest.raises(CommitFailed):
            two[0].commit(again)
    finally:
        faults.install(None)
    two[0].commit(again)
    assert words(two[0]) == [("a", 10, 10), ("b", 10, 10)]


def test_statements_get_their_threads_back_for_whoever_reads(tmp_path: Path) -> None:
    with from_url(f"duckdb:///{tmp_path}/test.duckdb").open() as session:
        before = fetch(session, "SELECT current_setting('threads')")
        writer = Writer(session).prepare(ITEMS)
        writer.commit(page(1, ITEMS, rows(0, 10, "a")))
        assert fetch(session, "SELECT current_setting('threads')") == before
