"""A store whose operations are tried again; what was carried out though its answer was lost is recognised."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from headrace.core import faults
from headrace.core.errors import StorageFailed
from headrace.storage.contract import Entry, Store, Transient

T = TypeVar("T")

ATTEMPTS = 6
FIRST_WAIT, LONGEST_WAIT = 0.2, 10.0
"""Seconds."""


class Retrying:
    """``store``, asked up to :data:`ATTEMPTS` times with growing, random waits between. Fault points:
    ``storage.operation`` before each attempt that writes, ``storage.answered`` after it."""

    def __init__(self, store: Store, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._store, self._sleep = store, sleep
        self.place, self.parallel = store.place, store.parallel

    def create(self, name: str, data: bytes, *, recognise: bool = True) -> bool:
        """As in :class:`Store`. Where an earlier attempt may have written the object, one that stands there with
        these very bytes is this one (whoever must be sure puts something unique into them), unless ``recognise`` is
        false: then whatever stands there is somebody else's."""
        tried = False

        def attempt() -> bool:
            nonlocal tried
            again, tried = tried, True
            if self._write(lambda: self._store.create(name, data)):
                return True
            return again and recognise and self._store.get(name) == data

        return self._try(attempt, f"{name} cannot be written")

    def put(self, name: str, data: bytes) -> None:
        self._try(lambda: self._write(lambda: self._store.put(name, data)), f"{name} cannot be written")

    def get(self, name: str) -> bytes | None:
        return self._try(lambda: self._store.get(name), f"{name} cannot be read")

    def get_all(self, names: Iterable[str]) -> Iterator[bytes | None]:
        """The bytes of each object in order, some read ahead where that is faster."""
        if self.parallel == 1:
            yield from map(self.get, names)
            return
        rest = iter(names)
        with ThreadPoolExecutor(self.parallel, "headrace-storage") as threads:
            while part := list(islice(rest, 4 * self.parallel)):
                yield from threads.map(self.get, part)

    def scan(self, folder: str, *, after: str = "") -> Iterator[Entry]:
        """As in :class:`Store`; goes on behind the last entry when a listing breaks off."""
        failures = 0
        while True:
            try:
                for entry in self._store.scan(folder, after=after):
                    failures, after = 0, entry.name
                    yield entry
                return
            except Transient as error:
                failures += 1
                self._wait(failures, error, f"{folder or 'the root'} cannot be listed")

    def folders(self, folder: str) -> list[str]:
        return self._try(lambda: self._store.folders(folder), f"{folder or 'the root'} cannot be listed")

    def delete(self, names: Iterable[str]) -> None:
        wanted = list(names)
        if wanted:
            self._try(lambda: self._write(lambda: self._store.delete(wanted)), f"{wanted[0]} cannot be deleted")

    def sweep(self, before: int) -> int:
        """Remove what killed writers left behind outside the listings, where the store has such a place."""
        sweep = getattr(self._store, "sweep", None)
        return int(sweep(before)) if sweep is not None else 0

    def close(self) -> None:
        self._store.close()

    @staticmethod
    def _write(operation: Callable[[], T]) -> T:
        faults.point("storage.operation")
        found = operation()
        faults.point("storage.answered")
        return found

    def _try(self, attempt: Callable[[], T], what: str) -> T:
        failures = 0
        while True:
            try:
                return attempt()
            except Transient as error:
                failures += 1
                self._wait(failures, error, what)

    def _wait(self, failures: int, error: Transient, what: str) -> None:
        if failures >= ATTEMPTS:
            raise StorageFailed(
                f"{what}, in {ATTEMPTS} attempts: {error}",
                place=self.place,
                hint="what was committed is safe; run it again",
            ) from error
        self._sleep(random.uniform(0, min(LONGEST_WAIT, FIRST_WAIT * 2**failures)))  # noqa: S311 - spreads retries
