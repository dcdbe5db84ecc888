"""A request comes back as it was made; a key makes one request, a scope has one at a time."""

from __future__ import annotations

from dataclasses import fields
from datetime import date

import pytest

from headrace.core.errors import ScopeIsBusy
from headrace.state.progress.contract import ENDED, Document, ProgressStore, Request

from .target import AT, LONG, ProgressTests, request


class Creating(ProgressTests):
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
