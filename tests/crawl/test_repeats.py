"""Pages that come again: known by position and by content, however long the crawl."""

from __future__ import annotations

import random
import tracemalloc

import pytest

from headrace.crawl import repeats
from headrace.crawl.repeats import Repeats


def test_a_page_is_known_by_where_and_what_it_is() -> None:
    pages = Repeats()
    pages.add("a", 7, 1)
    assert pages.again("a", 7)
    assert not pages.again("a", 8)
    assert not pages.again("b", 7)
    assert pages.first(7) == 1
    assert pages.first(8) is None


def test_the_first_of_several_with_the_same_records_is_named() -> None:
    pages = Repeats()
    for number, cursor in enumerate("abc", 1):
        pages.add(cursor, 7, number)
    assert pages.first(7) == 1
    assert all(pages.again(cursor, 7) for cursor in "abc")


def test_each_of_many_is_known_and_no_other(rng: random.Random) -> None:
    pages, contents = Repeats(), [rng.getrandbits(63) for _ in range(3_000)]
    for number, content in enumerate(contents, 1):
        assert pages.first(content) is None
        pages.add(number, content, number)
    for number, content in enumerate(contents, 1):
        assert pages.first(content) == number
        assert pages.again(number, content)
        assert not pages.again(number + 1, content)


def test_the_last_are_kept_and_the_oldest_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "REMEMBERED_PAGES", 10)
    pages = Repeats()
    for number in range(1, 36):
        pages.add(number, 1_000 + number, number)
        for last in range(max(1, number - 9), number + 1):
            assert pages.first(1_000 + last) == last
            assert pages.again(last, 1_000 + last)
    assert pages.first(1_001) is None
    assert not pages.again(1, 1_001)


def test_a_checkpoint_of_any_version_is_taken() -> None:
    pages = Repeats()
    pages.add("a", -7, 1)
    assert pages.again("a", -7)


def test_ten_thousand_pages_take_a_quarter_of_a_megabyte(rng: random.Random) -> None:
    contents = [rng.getrandbits(63) for _ in range(10_000)]
    tracemalloc.start()
    try:
        pages = Repeats()
        for number, content in enumerate(contents, 1):
            pages.add(number, content, number)
        assert tracemalloc.get_traced_memory()[0] < 300_000
    finally:
        tracemalloc.stop()


@pytest.fixture
def rng() -> random.Random:
    return random.Random(7)
