"""Pages that come again: what a stream remembers of those it had, to know a loop."""

from __future__ import annotations

from array import array
from bisect import bisect_left

from headrace.core.tables import Cursor

REMEMBERED_PAGES = 100_000
"""At least so many of the last pages are known again."""
_BITS = (1 << 64) - 1


class Repeats:
    """The pages of a stream by position and by content, in 24 bytes a page: a long crawl has many.

    ``content`` is the 63 bits that tell a page's records from others'.
    """

    def __init__(self) -> None:
        self._now, self._before = _Pages(), _Pages()

    def add(self, cursor: Cursor, content: int, number: int) -> None:
        """The page asked for at ``cursor``."""
        if len(self._now.pairs) >= REMEMBERED_PAGES:
            self._before, self._now = self._now, _Pages()
        self._now.add(_pair(cursor, content), content & _BITS, number)

    def again(self, cursor: Cursor, content: int) -> bool:
        """Whether these records came from this position before."""
        pair = _pair(cursor, content)
        return any(_place(pages.pairs, pair)[1] for pages in (self._now, self._before))

    def first(self, content: int) -> int | None:
        """The number of the first page remembered that had these records."""
        for pages in (self._before, self._now):
            at, found = _place(pages.contents, content)
            if found:
                return pages.numbers[at]
        return None


class _Pages:
    """Sorted, and each content once: to move a few kilobytes for each page costs less than an object for each."""

    def __init__(self) -> None:
        self.pairs, self.contents, self.numbers = array("Q"), array("Q"), array("Q")

    def add(self, pair: int, content: int, number: int) -> None:
        at, found = _place(self.pairs, pair)
        if not found:
            self.pairs.insert(at, pair)
        at, found = _place(self.contents, content)
        if not found:
            self.contents.insert(at, content)
            self.numbers.insert(at, number)


def _pair(cursor: Cursor, content: int) -> int:
    return hash((repr(cursor), content)) & _BITS


def _place(values: array[int], value: int) -> tuple[int, bool]:
    at = bisect_left(values, value)
    return at, at < len(values) and values[at] == value
