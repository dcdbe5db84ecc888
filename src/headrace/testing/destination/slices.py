"""The set of slices is frozen at the start, and read in chunks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from headrace.core.contracts import Session
from headrace.core.tables import Group, SliceState

from .build import RAW, Writer, page
from .target import DestinationTests, Target


def made(count: int, prefix: str = "s") -> Iterator[SliceState]:
    return (SliceState(f"{prefix}{n}", n, {"id": n, "name": "é\x00'"}) for n in range(count))


class Slices(DestinationTests):
    def test_the_first_set_stays(self, session: Session) -> None:
        session.prepare([], [RAW])
        assert session.freeze_slices("run-1", "extract", made(3)) == 3
        assert session.freeze_slices("run-1", "extract", made(5, "other")) == 3
        assert session.slices("run-1", "extract") == list(made(3))

    def test_sets_of_other_steps_and_runs_are_others(self, session: Session) -> None:
        session.prepare([], [RAW])
        for run, step, count in (("run-1", "extract", 2), ("run-1", "other", 3), ("run-2", "extract", 4)):
            assert session.freeze_slices(run, step, made(count)) == count
        assert len(session.slices("run-1", "other")) == 3
        assert session.slices("run-3", "extract") == []

    def test_slices_are_read_in_chunks(self, session: Session) -> None:
        session.prepare([], [RAW])
        assert session.freeze_slices("run-1", "extract", made(2500)) == 2500
        seen: list[int] = []
        while chunk := session.slices("run-1", "extract", after=seen[-1] if seen else -1, limit=999):
            assert len(chunk) <= 999
            seen += [each.position for each in chunk]
        assert seen == list(range(2500))

    def test_freezing_is_all_or_nothing(self, session: Session) -> None:
        session.prepare([], [RAW])

        def broken() -> Iterator[SliceState]:
            yield from made(1500)
            raise RuntimeError("the source of slices broke")

        with pytest.raises(Exception, match="the source of slices broke"):
            session.freeze_slices("run-1", "extract", broken())
        assert session.slices("run-1", "extract") == []
        assert session.freeze_slices("run-1", "extract", made(2)) == 2

    def test_slices_may_come_from_a_query_of_the_same_session(self, session: Session) -> None:
        session.prepare([], [RAW])
        session.freeze_slices("run-1", "ids", made(50))
        batches = session.query("SELECT position FROM headrace_slices ORDER BY position")
        values = (value for batch in batches for value in batch.column(0).to_pylist())
        assert session.freeze_slices("run-1", "extract", (SliceState(str(n), int(n or 0), {}) for n in values)) == 50

    def test_the_end_of_a_slice_is_in_its_commit(self, session: Session) -> None:
        writer = Writer(session).prepare()
        session.freeze_slices("run-1", "extract", made(3))
        first, second, _ = made(3)
        done = SliceState(first.name, 0, first.params, "done", 1)
        failed = SliceState(second.name, 1, second.params, "failed", 2, "404: no such thing \x00 é")
        writer.commit(page(1, slice="s0"), slices=[("extract", done)])
        session.commit(Group("run-1", slices=[("extract", failed)]))
        found = session.slices("run-1", "extract")
        assert [(each.status, each.attempts) for each in found] == [("done", 1), ("failed", 2), ("pending", 0)]
        assert "404: no such thing" in found[1].error
        assert [each.name for each in session.slices("run-1", "extract", status=["failed", "pending"])] == ["s1", "s2"]
        assert found[0].params == first.params

    def test_slices_survive_reopening(self, target: Target) -> None:
        with target.destination.open() as session:
            session.prepare([], [RAW])
            session.freeze_slices("run-1", "extract", made(3))
        with target.destination.open() as session:
            session.prepare([], [RAW])
            assert session.freeze_slices("run-1", "extract", made(7)) == 3
