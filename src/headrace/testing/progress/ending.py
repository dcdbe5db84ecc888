"""Cancelled, opened again, forgotten."""

from __future__ import annotations

import pytest

from headrace.core.errors import ScopeIsBusy
from headrace.state.progress.contract import ProgressStore

from .target import AT, LONG, ProgressTests, request, there


class Ending(ProgressTests):
    def test_cancel(self, store: ProgressStore) -> None:
        store.create(request(1, scope="s"))
        store.create(request(2))
        assert store.ask_cancel("r1")
        queued = there(store, "r1")
        assert queued.status == "cancelled"
        assert queued.finished_at > AT
        store.create(request(3, scope="s"))
        claimed = store.claim("a", lease_seconds=LONG)
        assert claimed is not None
        assert (claimed.request_id, claimed.cancel) == ("r2", False)
        assert store.ask_cancel("r2")
        assert store.ask_cancel("r2")
        running = there(store, "r2")
        assert (running.status, running.cancel, running.finished_at) == ("running", True, 0)
        store.update("r2", "a", status="cancelled")
        assert not store.ask_cancel("r2")
        assert not store.ask_cancel("r1")
        assert not store.ask_cancel("unknown")

    def test_reopen(self, store: ProgressStore) -> None:
        held = self.held(store, scope="s")
        assert not store.reopen("r1")
        store.ask_cancel("r1")
        store.update("r1", "a", status="failed", error="no", remedy="do", progress=40.0, rows=7)
        assert store.reopen("r1")
        assert not store.reopen("r1")
        assert not store.reopen("unknown")
        found = there(store, "r1")
        assert (found.status, found.cancel, found.error, found.remedy) == ("queued", False, "", "")
        assert (found.finished_at, found.progress, found.rows, found.owner) == (0, 40.0, 7, "")
        again = store.claim("b", lease_seconds=LONG)
        assert again is not None
        assert (again.request_id, again.started_at) == ("r1", held.started_at)

    def test_reopen_respects_the_scope(self, store: ProgressStore) -> None:
        self.held(store, scope="s")
        store.update("r1", "a", status="failed", error="no")
        store.create(request(2, scope="s"))
        with pytest.raises(ScopeIsBusy) as caught:
            store.reopen("r1")
        assert caught.value.request_id == "r2"
        found = there(store, "r1")
        assert (found.status, found.error) == ("failed", "no")
        store.ask_cancel("r2")
        assert store.reopen("r1")
        with pytest.raises(ScopeIsBusy):
            store.create(request(3, scope="s"))

    def test_a_reopened_one_is_no_longer_among_the_ended(self, store: ProgressStore) -> None:
        self.held(store)
        store.update("r1", "a", status="failed", finished_at=AT)
        store.reopen("r1")
        assert store.forget(before=2**53) == 0
        assert (found := store.latest()) is not None
        assert found.status == "queued"

    def test_forget(self, store: ProgressStore) -> None:
        for number in range(1, 6):
            store.create(request(number, scope=f"s{number}", org="acme"), key=f"k{number}")
            store.append_events(f"r{number}", [{"n": 1}])
        for _ in range(4):
            store.claim("a", lease_seconds=LONG)
        for number in range(1, 4):
            store.update(f"r{number}", "a", status="done", finished_at=AT + number)
        assert store.forget(before=AT + 3) == 2
        assert store.forget(before=AT + 3) == 0
        assert [found.request_id for found in store.find(org="acme")] == ["r5", "r4", "r3"]
        assert store.get("r1") is None
        assert store.events("r1") == []
        assert len(store.events("r3")) == 1
        assert store.create(request(6, org="acme"), key="k1").request_id == "r6", "its key may be used again"
        assert store.create(request(7, org="acme"), key="k3").request_id == "r3"
        assert (found := store.latest(org="acme")) is not None
        assert found.request_id == "r4"
