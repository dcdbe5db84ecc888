"""What the benchmark server answers with: pages of films (about 1.8 KB a record) or of small records (about 100 bytes)."""

from __future__ import annotations

import json
from typing import Protocol

import records

RENDERED = 20_000
"""Films that are rendered before the first request; longer lists repeat them under other ids."""
_SMALL = b'{"id":%d,"name":"item number %d","state":"open","score":%d.25,"updatedAt":"2026-01-01T00:00:%02dZ"}'


class Pages(Protocol):
    """``count`` pages of records; :meth:`shows` is the JSON array of one of them."""

    count: int

    def shows(self, number: int) -> bytes: ...


class Films:
    """Films as :mod:`records` makes them; rendered once."""

    def __init__(self, total: int, size: int) -> None:
        self.count = -(-total // size)
        self._last = total - (self.count - 1) * size
        whole = min(self.count, max(RENDERED // size, 1)) * size
        self._pages = [[self._tail(i) for i in range(first, first + size)] for first in range(0, whole, size)]
        self._first = [self._render(place, 0, size) for place in range(len(self._pages))]

    @staticmethod
    def _tail(i: int) -> tuple[int, bytes]:
        """A film without its id, which is its first field."""
        text = json.dumps(records.record(i), ensure_ascii=False).encode()
        return i, text[text.index(b",") :]

    def _render(self, place: int, turn: int, most: int) -> bytes:
        suffix = b"-%d" % turn if turn else b""
        page = self._pages[place][:most]
        return b"[" + b", ".join(b'{"id": "%d%b"%b' % (i, suffix, tail) for i, tail in page) + b"]"

    def shows(self, number: int) -> bytes:
        turn, place = divmod(number, len(self._pages))
        if number == self.count - 1:
            return self._render(place, turn, self._last)
        return self._render(place, turn, len(self._pages[place])) if turn else self._first[place]


class Small:
    """Records of five fields, made when they are asked for.

    ``stride`` spreads the ids, out of order, over a table of ``total * stride`` rows; another ``version``
    has another score in every record.
    """

    def __init__(self, total: int, size: int, stride: int = 1, version: int = 0) -> None:
        self.count = -(-total // size)
        self._total, self._size, self._stride, self._version = total, size, stride, version

    def shows(self, number: int) -> bytes:
        first = number * self._size
        places = range(first, min(first + self._size, self._total))
        ids = [p if self._stride == 1 else p * 7_919 % self._total * self._stride for p in places]
        values = tuple(v for i in ids for v in (i, i, (i + self._version) % 1_000, i % 60))
        return b"[" + b",".join([_SMALL] * len(ids)) % values + b"]"


def body(pages: Pages, number: int, *, alone: bool = False) -> bytes:
    """The answer; ``alone``: it is all there is."""
    last = alone or number + 1 >= pages.count
    end = b"false}" if last else b'true, "nextCursor": "%d"}' % (number + 1)
    return b'{"shows": ' + pages.shows(number) + b', "hasMore": ' + end
