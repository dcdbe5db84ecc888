"""The contract of the service's store: every :class:`~headrace.state.progress.contract.ProgressStore` passes it.

A store's tests are one class::

    class TestAcme(ProgressContract):
        opener = "acme.progress:AcmeProgress"      # importable, called as AcmeProgress(address)

        @pytest.fixture
        def address(self, acme_url): return acme_url     # nothing is kept there yet

        @pytest.fixture
        def outage(self, acme): return acme.away         # a context in which the store at `address` cannot be reached
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import fields, replace
from datetime import date
from threading import Barrier, Thread
from typing import Any, TypeVar

import pytest

from headrace.core.errors import ScopeIsBusy, StateError
from headrace.state.progress.contract import ENDED, MAX_EVENTS, Document, ProgressStore, Request

from .progress_child import claim_all, open_store

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


class ProgressContract:
    """``opener`` names a callable as ``module:attribute``; ``address`` is what it is called with."""

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

    def test_a_request_comes_back_whole(self, store: ProgressStore, other: ProgressStore) -> None:
        whole = Request(
            "r1", "sapi", "acme", "warehouse", "scope", {"country": "us", "list": [1, {"a": None}]}, {"max_pages": 2},
            "queued", "Fetching caf\u00e9", 12.5, {"crawl": {"pages": 3}}, 2**53 + 1, 3, 4, "it 'broke' \U0001f600", "do \"this\"", "", False,
            AT, AT + 1, AT + 2, 0,
        )  # fmt: skip
        assert store.create(whole) == whole
        assert other.get("r1") == whole
        assert other.get("r2") is None
        assert {field.name for field in fields(Request)} == set(Request.__slots__), "no field is left out here"

    def test_what_is_unset_is_filled_in(self, store: ProgressStore) -> None:
        made = store.create(Request("r1", "p"))
        assert made.created_at == made.updated_at > AT
        assert (made.progress, made.status, made.org) == (None, "queued", "default")

    def test_odd_texts_are_kept(self, store: ProgressStore) -> None:
        inputs = {"since": date(2024, 2, 29), "text": "a\ud800\0"}
        store.create(request(inputs=inputs))
        store.claim("a", lease_seconds=LONG)
        assert store.update("r1", "a", error="half an emoji \ud83d, a NUL \0.", detail={"at": date(2024, 3, 1)})
        found = store.get("r1")
        assert found is not None
        assert found.inputs == {"since": "2024-02-29", "text": "a\ud800\0"}
        assert (found.detail, found.error) == ({"at": "2024-03-01"}, "half an emoji \ufffd, a NUL \ufffd.")

    def test_the_same_key_gives_the_same_request(self, store: ProgressStore, other: ProgressStore) -> None:
        store.create(request(1), key="once")
        assert other.create(request(2), key="once").request_id == "r1"
        assert store.create(request(3, org="acme"), key="once").request_id == "r3", "keys belong to an organisation"
        assert store.create(request(4), key="").request_id == "r4"
        assert store.create(request(5), key="").request_id == "r5"
        assert store.get("r2") is None

    def test_a_key_gives_its_request_after_the_end_too(self, store: ProgressStore) -> None:
        store.create(request(1, scope="s"), key="once")
        store.ask_cancel("r1")
        assert store.create(request(2, scope="s"), key="once").status == "cancelled"

    def test_to_create_again_changes_nothing(self, store: ProgressStore) -> None:
        held = self.held(store, scope="s")
        assert store.create(request(1, scope="s", pipeline="other")) == held

    def test_a_scope_runs_once_at_a_time(self, store: ProgressStore, other: ProgressStore) -> None:
        store.create(request(1, scope="s"))
        for _ in range(2):  # queued, then running
            with pytest.raises(ScopeIsBusy, match="r1") as caught:
                other.create(request(2, scope="s"), key="k")
            assert caught.value.request_id == "r1"
            assert other.get("r2") is None
            store.claim("a", lease_seconds=LONG)
        store.create(request(3, scope="t"))
        store.update("r1", "a", status="done")
        assert other.create(request(2, scope="s"), key="k").request_id == "r2", "a refused key was not used"

    @pytest.mark.parametrize("status", sorted(ENDED))
    def test_every_end_frees_the_scope(self, store: ProgressStore, status: str) -> None:
        self.held(store, scope="s")
        assert store.update("r1", "a", status=status)
        found = store.get("r1")
        assert found is not None
        assert (found.status, found.owner) == (status, "")
        assert found.finished_at > AT
        store.create(request(2, scope="s"))

    def test_requests_without_a_scope_are_not_alone(self, store: ProgressStore) -> None:
        for number in range(3):
            store.create(request(number))
        assert len(store.find()) == 3

    def test_newest_first_page_by_page(self, store: ProgressStore) -> None:
        for number in range(10):
            store.create(request(number, created_at=AT + number // 3))
        expected = [f"r{number}" for number in range(9, -1, -1)]
        assert [found.request_id for found in store.find()] == expected
        seen: list[str] = []
        before: tuple[int, str] | None = None
        while page := store.find(before=before, limit=2):
            assert len(page) == 2
            seen += [found.request_id for found in page]
            before = (page[-1].created_at, page[-1].request_id)
        assert seen == expected
        assert [found.request_id for found in store.find(before=(AT + 2, "r7x"), limit=2)] == ["r7", "r6"]

    def test_filters(self, store: ProgressStore) -> None:
        for number in range(8):
            store.create(request(number, org="ab"[number % 2], pipeline="pq"[number // 4]))
        store.ask_cancel("r3")
        store.claim("w", lease_seconds=LONG)

        def ids(**filters: Any) -> list[str]:
            return [found.request_id for found in store.find(**filters)]

        assert ids(org="a") == ["r6", "r4", "r2", "r0"]
        assert ids(org="b", pipeline="p") == ["r3", "r1"]
        assert ids(status=["cancelled", "running"]) == ["r3", "r0"]
        assert ids(status=["cancelled"], org="a") == []
        assert ids(org="none") == []
        assert ids(pipeline="q", limit=1) == ["r7"]
        assert ids(pipeline="q", before=(AT + 6, "r6")) == ["r5", "r4"]

    def test_a_rare_one_among_many_is_found(self, store: ProgressStore) -> None:
        for number in range(1_200):
            store.create(request(number, pipeline="rare" if number == 5 else "usual"))
        assert [found.request_id for found in store.find(pipeline="rare")] == ["r5"]
        assert len(store.find(pipeline="usual", limit=1_100)) == 1_100

    def test_the_latest(self, store: ProgressStore) -> None:
        def latest(org: str | None = None) -> str | None:
            found = store.latest(org=org)
            return None if found is None else found.request_id

        assert latest() is None
        store.create(request(1, org="a"))
        assert latest() == "r1", "what was just asked for is seen"
        store.claim("w", lease_seconds=LONG)
        store.create(request(2, org="b"))
        store.claim("w", lease_seconds=LONG)
        store.create(request(3, org="a"))
        assert (latest(), latest("a"), latest("b"), latest("c")) == ("r2", "r1", "r2", None)
        store.update("r2", "w", status="done", finished_at=AT + 50)
        store.update("r1", "w", status="failed", finished_at=AT + 40)
        assert (latest(), latest("a"), latest("b")) == ("r3", "r3", "r2")
        store.claim("w", lease_seconds=LONG)
        store.update("r3", "w", status="done", finished_at=AT + 45)
        assert (latest(), latest("a")) == ("r2", "r3")

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

    def test_documents(self, store: ProgressStore, other: ProgressStore) -> None:
        body = {"cron": "0 3 * * *", "n": 2**70, "deep": [{"a": None}], "text": "\ud800\0\U0001f600"}
        assert store.put("schedule", "nightly", body) == 1
        assert other.document("schedule", "nightly") == Document("schedule", "nightly", body, 1)
        assert other.put("schedule", "nightly", {"b": 2}) == 2
        assert store.document("schedule", "nightly") == Document("schedule", "nightly", {"b": 2}, 2)
        assert store.document("schedule", "other") is None
        assert store.document("key", "nightly") is None
        assert store.delete("schedule", "nightly")
        assert not store.delete("schedule", "nightly")
        assert other.document("schedule", "nightly") is None

    def test_documents_are_compared_and_set(self, store: ProgressStore, other: ProgressStore) -> None:
        assert store.put("k", "n", {"a": 1}, expected=1) is None
        assert store.document("k", "n") is None
        assert store.put("k", "n", {"a": 1}, expected=0) == 1
        assert other.put("k", "n", {"a": 2}, expected=0) is None
        assert other.put("k", "n", {"a": 2}, expected=1) == 2
        assert store.put("k", "n", {"a": 3}, expected=1) is None
        assert store.document("k", "n") == Document("k", "n", {"a": 2}, 2)

    def test_one_of_many_writers_wins(self, store: ProgressStore, other: ProgressStore) -> None:
        for version in range(5):
            won = together(8, lambda n, v=version: (store, other)[n % 2].put("k", "n", {"by": n}, expected=v))  # type: ignore[misc]  # binds the version
            assert sorted(each or 0 for each in won) == [0] * 7 + [version + 1]

    def test_documents_by_name(self, store: ProgressStore) -> None:
        for name in ("b/2", "a", "b/1", "b_", "B/3", "b%"):
            store.put("k", name, {"name": name})
        store.put("other", "b/9", {})
        assert [found.name for found in store.documents("k")] == ["B/3", "a", "b%", "b/1", "b/2", "b_"]
        assert [found.name for found in store.documents("k", prefix="b/")] == ["b/1", "b/2"]
        assert [found.body for found in store.documents("k", prefix="b_")] == [{"name": "b_"}]
        assert store.documents("none") == []

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

    def test_names_from_outside_do_no_harm(self, store: ProgressStore) -> None:
        store.create(request(1))
        for odd in ("a\0b", "\ud800", "*", "r_", "", "x" * 10_000, "\n"):
            assert store.get(odd) is None
            assert not store.ask_cancel(odd)
            assert not store.reopen(odd)
            assert store.events(odd) == []
            assert store.document("k", odd) is None
            assert not store.delete("k", odd)
            assert store.find(org=odd or "-", pipeline=odd or "-", status=[odd], before=(AT + 5, odd)) == []
            assert store.put("k", odd, {"a": 1}) == 1
            assert (store.document("k", odd) or Document("", "", {}, 0)).body == {"a": 1}
            store.delete("k", odd)
        assert len(store.find(before=(2**70, "x"))) == 1
        assert store.find(before=(-(2**70), "x")) == []
        assert store.events("r1", after=2**70) == []
        assert store.find(limit=0) == []

    def test_each_is_claimed_by_exactly_one_thread(self, store: ProgressStore, other: ProgressStore) -> None:
        for number in range(100):
            store.create(request(number))
        claimed = together(8, lambda n: claim_all((store, other)[n % 2], f"w{n}"))
        assert sorted(found for each in claimed for found in each) == sorted(f"r{number}" for number in range(100))
        for number, mine in enumerate(claimed):
            assert store.beat(f"w{number}", [f"r{n}" for n in range(100)], lease_seconds=LONG) == set(mine)

    def test_one_that_ran_out_goes_to_exactly_one(self, store: ProgressStore, other: ProgressStore) -> None:
        for number in range(40):
            store.create(request(number))
            store.claim("gone", lease_seconds=0)
        claimed = together(8, lambda n: claim_all((store, other)[n % 2], f"w{n}"))
        assert sorted(found for each in claimed for found in each) == sorted(f"r{number}" for number in range(40))

    def test_each_is_claimed_by_exactly_one_process(self, store: ProgressStore, address: str) -> None:
        for number in range(120):
            store.create(request(number))
        with ExitStack() as stack:
            both = []
            for owner in ("one", "two"):
                process = subprocess.Popen(
                    [sys.executable, "-m", f"{__package__}.progress_child", self.opener, address, owner],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
                stack.enter_context(process)
                stack.callback(process.kill)
                both.append(process)
            for process in both:
                assert process.stdout is not None
                assert process.stdout.readline() == "ready\n"
            for process in both:
                assert process.stdin is not None
                process.stdin.write("go\n")
                process.stdin.flush()
            claimed = [json.loads(process.communicate()[0]) for process in both]
        assert sorted(found for each in claimed for found in each) == sorted(f"r{number}" for number in range(120))

    def test_one_key_at_once_makes_one_request(self, store: ProgressStore, other: ProgressStore) -> None:
        for turn in range(10):
            made = together(
                8, lambda n, t=turn: (store, other)[n % 2].create(request(10 * t + n, scope=f"s{t}"), key=f"k{t}").request_id  # type: ignore[misc]  # binds the turn
            )  # fmt: skip
            assert len(set(made)) == 1
        assert len(store.find(limit=1000)) == 10

    def test_one_scope_at_once_makes_one_request(self, store: ProgressStore, other: ProgressStore) -> None:
        def ask(number: int) -> str:
            try:
                return (store, other)[number % 2].create(request(number, scope="s")).request_id
            except ScopeIsBusy as error:
                return f"busy with {error.request_id}"

        answers = sorted(together(8, ask))
        (made,) = [answer for answer in answers if not answer.startswith("busy")]
        assert [answer for answer in answers if answer != made] == [f"busy with {made}"] * 7
        assert len(store.find()) == 1

    def test_one_reopened_at_once_is_queued_once(self, store: ProgressStore, other: ProgressStore) -> None:
        self.held(store, scope="s")
        store.update("r1", "a", status="failed")
        assert sorted(together(8, lambda n: (store, other)[n % 2].reopen("r1"))) == [False] * 7 + [True]
        assert len(together(4, lambda n: claim_all(store, str(n)))) == 4
        found = there(store, "r1")
        assert found.status == "running"

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
