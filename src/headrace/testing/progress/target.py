"""What a store is opened with, and the fixtures and words that every concern shares."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from threading import Barrier, Thread
from typing import Any, TypeVar

import pytest

from headrace.state.progress.contract import ProgressStore, Request

from .child import open_store

T = TypeVar("T")

AT = 1_700_000_000_000_000
LONG = 3600.0
"""Seconds that no test lasts."""


def request(number: int = 1, **changes: Any) -> Request:
    return replace(Request(f"r{number}", "tvmaze", created_at=AT + number), **changes)


def together(count: int, work: Callable[[int], T]) -> list[T]:
    """What ``work`` returned in each of ``count`` threads that begin at once."""
    gate, found = Barrier(count), [list[T]() for _ in range(count)]

    def one(number: int) -> None:
        gate.wait()
        found[number].append(work(number))

    threads = [Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [result for each in found for result in each]


def there(store: ProgressStore, request_id: str) -> Request:
    found = store.get(request_id)
    assert found is not None
    return found


class ProgressTests:
    """Base of every concern: ``opener`` names a callable as ``module:attribute``; ``address`` is what it is called with."""

    opener: str

    @pytest.fixture
    def address(self) -> str:
        raise NotImplementedError("a fixture that gives an empty place")

    @pytest.fixture
    def outage(self) -> Callable[[], AbstractContextManager[None]]:
        raise NotImplementedError("a fixture that takes the place away for a while")

    @pytest.fixture
    def store(self, address: str) -> Iterator[ProgressStore]:
        with closing(open_store(self.opener, address)) as store:
            yield store

    @pytest.fixture
    def other(self, address: str) -> Iterator[ProgressStore]:
        """The same place, as another instance opens it."""
        with closing(open_store(self.opener, address)) as store:
            yield store

    def held(self, store: ProgressStore, owner: str = "a", **changes: Any) -> Request:
        """A request that ``owner`` holds."""
        store.create(request(**changes))
        found = store.claim(owner, lease_seconds=LONG)
        assert found is not None
        return found
