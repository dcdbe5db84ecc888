"""Who claims a request holds it while the lease is renewed, may give it back, and restores one that was lost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headrace.core.errors import ScopeIsBusy
from headrace.state.progress.contract import ProgressStore

from .target import AT, LONG, ProgressTests, request, there


class Leasing(ProgressTests):
    def test_the_oldest_is_claimed_first(self, store: ProgressStore) -> None:
        for number in (3, 1, 2):
            store.create(request(number))
        claimed = [store.claim("a", lease_seconds=LONG) for _ in range(4)]
        assert [found and found.request_id for found in claimed] == ["r1", "r2", "r3", None]
        first = claimed[0]
        assert first is not None
        assert first == store.get("r1")
        assert (first.status, first.owner) == ("running", "a")
        assert first.started_at == first.updated_at > AT

    def test_one_that_was_given_back_does_not_keep_the_others_waiting(self, store: ProgressStore) -> None:
        for number in (1, 2):
            store.create(request(number))
        for expected in ("r1", "r2", "r1", "r2"):
            found = store.claim("a", lease_seconds=LONG)
            assert found is not None
            assert found.request_id == expected
            store.give_back(expected, "a")

    def test_a_lease_that_runs_out_is_another_s(self, store: ProgressStore, other: ProgressStore) -> None:
        store.create(request(1))
        begun = store.claim("a", lease_seconds=0)
        assert begun is not None
        store.create(request(0))
        again = other.claim("b", lease_seconds=LONG)
        assert again is not None
        assert (again.request_id, again.owner, again.started_at) == ("r1", "b", begun.started_at), "before a new one"
        assert not store.update("r1", "a", rows=5)
        assert store.beat("a", ["r1"], lease_seconds=LONG) == frozenset()
        assert other.update("r1", "b", rows=6)
        found = there(store, "r1")
        assert found.rows == 6

    def test_a_renewed_lease_holds(self, store: ProgressStore, other: ProgressStore) -> None:
        for number in (1, 2, 3):
            store.create(request(number))
        for owner in ("a", "a", "b"):
            store.claim(owner, lease_seconds=0 if owner == "a" else LONG)
            store.beat(owner, ["r1", "r2", "r3"], lease_seconds=LONG)
        assert other.claim("c", lease_seconds=LONG) is None
        assert store.beat("a", ["r1", "r2", "r3", "unknown"], lease_seconds=LONG) == {"r1", "r2"}
        assert store.beat("a", [], lease_seconds=LONG) == frozenset()
        assert store.beat("a", ["r1"], lease_seconds=0) == {"r1"}
        assert (found := other.claim("c", lease_seconds=LONG)) is not None
        assert found.request_id == "r1"

    def test_give_back(self, store: ProgressStore, other: ProgressStore) -> None:
        self.held(store, scope="s")
        other.give_back("r1", "b")
        assert other.claim("b", lease_seconds=LONG) is None
        store.give_back("r1", "a")
        store.give_back("unknown", "a")
        with pytest.raises(ScopeIsBusy):
            store.create(request(2, scope="s"))
        assert (found := other.claim("b", lease_seconds=LONG)) is not None
        assert found.request_id == "r1"
        store.give_back("r1", "a")
        found = there(store, "r1")
        assert (found.status, found.owner) == ("running", "b")

    def test_a_lost_request_is_restored_by_who_runs_it(self, store: ProgressStore, other: ProgressStore) -> None:
        lost = replace(
            request(1, scope="s", org="acme"), status="running", owner="a", progress=40.0, rows=7, started_at=AT + 1, updated_at=AT + 2
        )  # fmt: skip
        assert store.restore(lost, "a", lease_seconds=LONG)
        found = there(store, "r1")
        assert replace(found, updated_at=AT + 2) == lost
        assert store.restore(lost, "a", lease_seconds=LONG), "who holds it may ask again"
        assert not other.restore(lost, "b", lease_seconds=LONG)
        assert other.claim("b", lease_seconds=LONG) is None
        assert [found.request_id for found in store.find(org="acme")] == ["r1"]
        with pytest.raises(ScopeIsBusy):
            store.create(request(2, scope="s"))
        assert store.update("r1", "a", progress=50.0)
        assert store.append_events("r1", [{"n": 1}]) == 1
        assert store.update("r1", "a", status="done")
        assert not store.restore(lost, "a", lease_seconds=LONG), "it has ended"
        assert there(store, "r1").status == "done"

    def test_what_came_back_as_queued_is_taken_again(self, store: ProgressStore) -> None:
        queued = store.create(request(1, scope="s"))
        assert store.restore(replace(queued, rows=9), "a", lease_seconds=LONG)
        found = there(store, "r1")
        assert (found.status, found.owner, found.rows) == ("running", "a", 0)
        assert store.claim("b", lease_seconds=LONG) is None

    def test_a_lost_request_whose_scope_is_taken_stays_lost(self, store: ProgressStore) -> None:
        store.create(request(2, scope="s"))
        assert not store.restore(request(1, scope="s"), "a", lease_seconds=LONG)
        assert store.get("r1") is None
