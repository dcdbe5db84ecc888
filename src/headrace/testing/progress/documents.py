"""Named documents with a version: put, compare and set, list by the beginning of a name."""

from __future__ import annotations

from headrace.state.progress.contract import Document, ProgressStore

from .target import ProgressTests, together


class Documents(ProgressTests):
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
