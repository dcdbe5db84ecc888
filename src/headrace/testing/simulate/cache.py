"""The response cache: one in memory, which keeps what :class:`headrace.state.cache.ResponseCache` does, and
that one itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from headrace.core import faults
from headrace.core.http import Response
from headrace.state.cache import ResponseCache

Disk = dict[int, dict[str, Response]]
"""Segments by number; a segment is written by one process only. Survives the process."""


class MemoryCache:
    """One process's view: what it found when it began, and what it wrote itself."""

    def __init__(
        self, disk: Disk, alive: Callable[[], bool], kept: Callable[[str], None], segment_entries: int
    ) -> None:
        self._disk, self._alive, self._kept, self._most = disk, alive, kept, segment_entries
        self._places = {key: number for number in sorted(disk) for key in disk[number]}
        self._pending = dict.fromkeys(disk, 0)
        for number in self._places.values():
            self._pending[number] += 1
        self._current: int | None = None

    def get(self, key: str) -> Response | None:
        number = self._places.get(key)
        return None if number is None else self._disk.get(number, {}).get(key)

    def put(self, key: str, response: Response) -> Response:
        if not self._alive():
            return response
        faults.point("cache.write")
        if self._current is None:
            self._current = max(self._disk, default=0) + 1
            self._disk[self._current] = {}
            self._pending[self._current] = 0
        before = self._places.get(key)
        self._disk.setdefault(self._current, {})[key] = response
        self._places[key] = self._current
        self._pending[self._current] += 1
        self._kept(key)
        if before is not None:
            self._done(before)
        if len(self._disk[self._current]) >= self._most:
            full, self._current = self._current, None
            self._drop(full)
        return response

    def committed(self, keys: Iterable[str]) -> None:
        for key in keys:
            number = self._places.pop(key, None)
            if number is not None and self._alive():
                self._done(number)

    def close(self, *, remove: bool = False) -> None:
        if not self._alive():
            return
        if self._current is not None:
            last, self._current = self._current, None
            self._drop(last)
        if remove:
            self._disk.clear()

    def vanish(self) -> None:
        pass

    def _done(self, number: int) -> None:
        self._pending[number] -= 1
        self._drop(number)

    def _drop(self, number: int) -> None:
        """Remove a segment that holds nothing any more."""
        if number != self._current and not self._pending.get(number, 0):
            self._disk.pop(number, None)
            faults.point("cache.segment_removed")


class DiskCache:
    """The real cache in small segments, for one process; what it wrote stays when the process vanishes."""

    def __init__(self, folder: Path, run_id: str, alive: Callable[[], bool], kept: Callable[[str], None]) -> None:
        self._cache = ResponseCache(folder, run_id, segment_bytes=1500)
        self._alive, self._kept = alive, kept

    def get(self, key: str) -> Response | None:
        return self._cache.get(key)

    def put(self, key: str, response: Response) -> Response:
        if self._alive():
            response = self._cache.put(key, response)
            self._kept(key)
        return response

    def committed(self, keys: Iterable[str]) -> None:
        if self._alive():
            self._cache.committed(keys)

    def close(self, *, remove: bool = False) -> None:
        if self._alive():
            self._cache.close(remove=remove)

    def vanish(self) -> None:
        """Give back what the system would take from a dead process."""
        if self._cache._current is not None:
            os.close(self._cache._fd)
