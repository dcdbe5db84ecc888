"""A long list seen through a window: what every paging style has in common, faults of meaning included."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Tricks = Mapping[str, Mapping[str, Any]]
"""Faults of meaning that are on for one request: name to parameters."""


@dataclass(slots=True)
class Window:
    """One page as an API would see it: ``start`` … ``end`` of the list (half open) and where the next begins.

    ``more`` and ``next`` agree unless a fault made them lie.
    """

    start: int
    end: int
    next: int | None
    more: bool
    total: int
    shift: int = 0
    """How many records went in (positive) or out (negative) before the list since the crawl began."""

    @property
    def count(self) -> int:
        return self.end - self.start


def window(start: int, size: int, total: int, tricks: Tricks, *, positional: bool) -> Window:
    """The page at ``start``, as the faults in ``tricks`` would have it.

    ``positional`` lists are asked by place (offset, page number), so a record that goes in or out moves
    all that follow; lists that are asked by a record's own key only grow or shrink.
    """
    shift = 0
    if drift := tricks.get("drift"):
        shift = int(drift.get("insert", 0)) - int(drift.get("remove", 0))
    length = max(total + shift, 0) if positional else total
    end = min(start + size, length)
    start = min(start, end)
    following = end if end < length else None
    page = Window(start, end, following, following is not None, max(total + shift, 0), shift if positional else 0)
    if "zero_rows" in tricks:
        page.end = page.start
    if "repeated_page" in tricks:
        page.start, page.end = max(start - size, 0), max(end - size, min(size, end))
    if "cursor_loop" in tricks:
        page.next, page.more = start, True
    if "vanishing_cursor" in tricks:
        page.next = None
    if "wrong_has_more" in tricks:
        page.more = not page.more
    if factor := tricks.get("wrong_total"):
        page.total = int(page.total * float(factor.get("factor", 2)))
    return page


@dataclass(slots=True)
class Records:
    """The records of the generic styles, rendered by page."""

    make: Callable[[int], dict[str, Any]]
    total: int
    tricks: Tricks = field(default_factory=dict)

    def window(self, start: int, size: int, *, positional: bool) -> Window:
        return window(start, size, self.total, self.tricks, positional=positional)

    def rows(self, page: Window) -> list[dict[str, Any]]:
        return [self.at(place - page.shift) for place in range(page.start, page.end)]

    def at(self, place: int) -> dict[str, Any]:
        """The record at a place of the unshifted list; places before it hold newly inserted records."""
        return self.make(place if place >= 0 else self.total - 1 - place)
