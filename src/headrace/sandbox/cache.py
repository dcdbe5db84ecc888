"""A cache of rendered pages, bounded in bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable


class PageCache:
    """Least recently used pages go first; a page greater than the bound is not kept."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0
        self._pages: OrderedDict[Hashable, bytes] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], bytes]) -> bytes:
        page = self._pages.get(key)
        if page is not None:
            self._pages.move_to_end(key)
            return page
        page = make()
        if len(page) <= self._most:
            self._pages[key] = page
            self._held += len(page)
            while self._held > self._most:
                _, gone = self._pages.popitem(last=False)
                self._held -= len(gone)
        return page
