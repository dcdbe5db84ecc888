"""scd2's fold of observations into intervals."""

from __future__ import annotations

from headrace.destinations._scd2 import Interval, observe


def fold(*seen: tuple[int, str], closed: int | None = None) -> list[tuple[int, int | None, str]]:
    history: list[Interval] = []
    last: tuple[int, str] | None = None
    for row, (at, digest) in enumerate(seen):
        observe(history, at, digest, row, last)
        if last is None or at >= last[0]:
            last = at, digest
        if closed is not None and row == 0:
            history[0].end = closed
    return [(each.start, each.end, each.hash) for each in history]


def test_the_same_again_makes_no_version() -> None:
    assert fold((1, "a"), (5, "a")) == [(1, None, "a")]


def test_a_change_closes_and_opens() -> None:
    assert fold((1, "a"), (5, "b")) == [(1, 5, "a"), (5, None, "b")]


def test_a_late_version_goes_before() -> None:
    assert fold((5, "b"), (1, "a")) == [(1, 5, "a"), (5, None, "b")]


def test_a_late_sighting_of_the_same_version_begins_it_earlier() -> None:
    assert fold((5, "a"), (1, "a")) == [(1, None, "a")]


def test_a_late_version_between_two_sightings_of_another() -> None:
    assert fold((1, "a"), (5, "a"), (3, "b")) == fold((1, "a"), (3, "b"), (5, "a"))


def test_a_late_sighting_moves_the_change_forward() -> None:
    assert fold((1, "a"), (5, "b"), (3, "b")) == [(1, 3, "a"), (3, None, "b")]


def test_what_was_closed_opens_anew_even_unchanged() -> None:
    assert fold((1, "a"), (9, "a"), closed=4) == [(1, 4, "a"), (9, None, "a")]


def test_a_late_row_in_the_gap_begins_what_follows() -> None:
    assert fold((1, "a"), (9, "b"), (6, "b"), closed=4) == [(1, 4, "a"), (6, None, "b")]
