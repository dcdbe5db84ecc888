"""Requests by filters, newest first, page by page; the latest that is worth showing."""

from __future__ import annotations

from typing import Any

from headrace.state.progress.contract import ProgressStore

from .target import AT, LONG, ProgressTests, request


class Finding(ProgressTests):
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

    def test_the_few_that_go_on_are_found_among_many(self, store: ProgressStore) -> None:
        for number in range(1, 9):
            store.create(request(number, org="a" if number % 2 else "b", pipeline="p" if number < 5 else "q"))
        for number in (1, 2, 3):
            store.claim("w", lease_seconds=LONG)
            if number == 1:
                store.update("r1", "w", status="done")

        def ids(*status: str, **more: Any) -> list[str]:
            return [each.request_id for each in store.find(status=status, **more)]

        assert ids("running", "queued") == ["r8", "r7", "r6", "r5", "r4", "r3", "r2"]
        assert ids("running") == ["r3", "r2"]
        assert ids("queued", org="a") == ["r7", "r5"]
        assert ids("queued", "running", org="a", pipeline="p") == ["r3"]
        assert ids("queued", limit=2) == ["r8", "r7"]
        assert ids("queued", limit=2, before=(AT + 7, "r7")) == ["r6", "r5"]
        assert ids("queued", "running", org="nobody") == []
        assert ids("running", "done") == ["r3", "r2", "r1"]
