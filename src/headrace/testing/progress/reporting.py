"""Updates and events of a run: only its holder writes, progress never falls, events are numbered and bounded."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from headrace.state.progress.contract import MAX_EVENTS, ProgressStore

from .target import LONG, ProgressTests, request, there, together


class Reporting(ProgressTests):
    def test_updates_need_the_holder(self, store: ProgressStore) -> None:
        store.create(request(1))
        assert not store.update("r1", "", rows=1), "nobody holds a queued one"
        store.claim("a", lease_seconds=LONG)
        assert not store.update("r1", "b", status="done")
        assert not store.update("unknown", "a", rows=1)
        before = store.get("r1")
        assert before is not None
        assert before.rows == 0
        assert store.update("r1", "a", step="Computing", rows=2**53 + 1, pages=2, requests=3, detail={"x": [1]})
        after = store.get("r1")
        assert after is not None
        assert after.updated_at >= before.updated_at
        assert replace(after, updated_at=0) == replace(
            before, step="Computing", rows=2**53 + 1, pages=2, requests=3, detail={"x": [1]}, updated_at=0
        )
        assert store.update("r1", "a", status="partial", error="x", remedy="y")
        assert not store.update("r1", "a", rows=9), "an ended one is given up"

    @pytest.mark.parametrize("name", ["rowz", "request_id", "owner", "scope", "org", "created_at"])
    def test_unfit_fields_are_refused(self, store: ProgressStore, name: str) -> None:
        self.held(store)
        with pytest.raises(TypeError, match=name):
            store.update("r1", "a", **{name: "x"})

    def test_a_held_one_is_not_queued_by_an_update(self, store: ProgressStore) -> None:
        self.held(store)
        assert store.update("r1", "a", status="running")
        with pytest.raises(ValueError, match="queued"):
            store.update("r1", "a", status="queued")

    def test_progress_never_falls(self, store: ProgressStore) -> None:
        self.held(store)
        seen = []
        for value in (None, 0.0, 12.5, 3.0, None, 12.25, 99.9, 100.0, 9.0):
            store.update("r1", "a", progress=value)
            found = there(store, "r1")
            seen.append(found.progress)
        assert seen == [None, 0.0, 12.5, 12.5, 12.5, 12.5, 99.9, 100.0, 100.0]

    def test_progress_never_falls_whoever_reports(self, store: ProgressStore) -> None:
        self.held(store)
        together(8, lambda n: [store.update("r1", "a", progress=float(value)) for value in range(n, 80, 8)])
        found = there(store, "r1")
        assert found.progress == 79.0

    def test_events(self, store: ProgressStore, other: ProgressStore) -> None:
        store.create(request(1))
        store.create(request(2))
        odd = {"text": "\ud800\0 \U0001f600 '", "n": 2**70, "at": date(2024, 2, 29)}
        assert store.append_events("r1", [{"n": 1}, odd]) == 2
        assert other.append_events("r1", [{"n": 3}]) == 3
        assert other.append_events("r2", [{"n": "other"}]) == 1
        assert store.append_events("r1", []) == 3
        assert store.append_events("unknown", [{"n": 1}]) == 0
        expected = [(1, {"n": 1}), (2, odd | {"at": "2024-02-29"}), (3, {"n": 3})]
        assert other.events("r1") == expected
        assert store.events("r1", after=1) == expected[1:]
        assert store.events("r1", after=1, limit=1) == expected[1:2]
        assert store.events("r1", after=3) == []
        assert store.events("unknown") == []

    def test_events_are_bounded(self, store: ProgressStore) -> None:
        store.create(request(1))
        for first in range(1, 2_501, 500):
            store.append_events("r1", [{"n": number} for number in range(first, first + 500)])
        kept = store.events("r1", limit=5_000)
        assert len(kept) == MAX_EVENTS
        assert kept == [(number, {"n": number}) for number in range(2_501 - MAX_EVENTS, 2_501)]
        assert store.events("r1", after=10, limit=2) == kept[:2]
        many = MAX_EVENTS + 7
        assert store.append_events("r1", [{"n": 2_500 + number} for number in range(1, many + 1)]) == 2_500 + many
        assert [number for number, _ in store.events("r1", limit=1)] == [2_508]
        assert len(store.events("r1", limit=5_000)) == MAX_EVENTS

    def test_events_of_many_threads_are_all_there(self, store: ProgressStore) -> None:
        store.create(request(1))
        numbers = together(8, lambda n: [store.append_events("r1", [{"by": n, "i": i}]) for i in range(20)])
        assert sorted(number for each in numbers for number in each) == list(range(1, 161))
        assert [number for number, _ in store.events("r1")] == list(range(1, 161))
