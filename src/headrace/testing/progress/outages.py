"""While the place is away every call says so; afterwards each goes on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from headrace.core.errors import StateError
from headrace.state.progress.contract import ProgressStore

from .target import AT, LONG, ProgressTests, request, there, together


class Outages(ProgressTests):
    def test_while_it_is_away_every_call_says_so_and_then_goes_on(
        self, store: ProgressStore, outage: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self.held(store, scope="s")
        store.append_events("r1", [{"n": 1}])
        store.put("k", "n", {"a": 1})
        calls: list[Callable[[], object]] = [
            lambda: store.create(request(2), key="x"),
            lambda: store.update("r1", "a", progress=50.0),
            lambda: store.reopen("r1"),
            lambda: store.ask_cancel("r1"),
            lambda: store.claim("b", lease_seconds=LONG),
            lambda: store.beat("a", ["r1"], lease_seconds=LONG),
            lambda: store.give_back("r1", "a"),
            lambda: store.append_events("r1", [{"n": 2}]),
            lambda: store.put("k", "n", {"a": 2}),
            lambda: store.delete("k", "n"),
            lambda: store.forget(before=AT),
        ]
        for _ in range(2):
            with outage():
                for call in calls:
                    with pytest.raises(StateError):
                        call()
            found = there(store, "r1")
            assert (found.status, found.progress, found.cancel) == ("running", None, False)
            assert store.events("r1") == [(1, {"n": 1})]
            assert (document := store.document("k", "n")) is not None
            assert document.version == 1
            assert store.get("r2") is None
            store.ping()
        assert store.update("r1", "a", progress=50.0)
        assert store.append_events("r1", [{"n": 2}]) == 2

    def test_many_threads_find_their_way_back(
        self, store: ProgressStore, outage: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self.held(store)
        together(8, lambda n: store.get("r1"))
        with outage():
            assert together(4, lambda n: _says_so(store)) == [True] * 4
        assert all(found is not None for found in together(8, lambda n: store.get("r1")))

    def test_a_closed_store_opens_again(self, store: ProgressStore) -> None:
        store.create(request(1))
        store.close()
        store.close()
        assert store.get("r1") is not None


def _says_so(store: ProgressStore) -> bool:
    try:
        store.beat("a", ["r1"], lease_seconds=LONG)
    except StateError:
        return True
    return False
