"""Compare-and-set on the checkpoint: whoever is not where the truth stands, stops."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from headrace.core.contracts import Session
from headrace.core.errors import CommitFailed, Fenced
from headrace.core.tables import Advance, Checkpoint, Group, StreamKey

from .build import Writer, page, standing, table
from .read import contents, everything
from .target import DestinationTests, Target, needs_concurrent_writers

LOG = table("log", "append", {"line": "string"})
KEY = StreamKey("run-1", "extract")
CURSORS: list[Any] = [
    None, "", "text", 0, 7, -1, 2**70, 1.5, True, [1, [2]], {"after": {"id": 1, "x": None}},
    "nul \x00, quote ' \" and \\", "lone \ud800", "é 🎬",
]  # fmt: skip


def refused(session: Session, group: Group, keys: Sequence[StreamKey] = (KEY,)) -> None:
    """``group`` is fenced, and leaves nothing."""
    before = everything(session, [LOG], keys)
    with pytest.raises(Fenced):
        session.commit(group)
    assert everything(session, [LOG], keys) == before


class Fencing(DestinationTests):
    def test_a_first_commit_refuses_an_existing_checkpoint(self, session: Session) -> None:
        writer = Writer(session).prepare(LOG)
        writer.commit(page(1, LOG, [{"line": "a"}]))
        stale = writer.group(page(2, LOG, [{"line": "b"}]))
        refused(session, replace(stale, advances=[Advance(None, stale.advances[0].at)]))

    def test_a_checkpoint_that_is_not_there_is_refused(self, session: Session) -> None:
        writer = Writer(session).prepare(LOG)
        group = writer.group(page(2, LOG, [{"line": "b"}]))
        refused(session, replace(group, advances=[Advance(standing(KEY, 1), group.advances[0].at)]))

    def test_a_stale_checkpoint_is_refused(self, session: Session) -> None:
        writer = Writer(session).prepare(LOG)
        writer.commit(page(1, LOG, [{"line": "a"}]))
        stale = writer.group(page(2, LOG, [{"line": "b"}]))
        session.commit(stale)
        refused(session, stale)
        assert contents(session, LOG) == [("a",), ("b",)]

    @pytest.mark.parametrize("part", ["page_number", "attempt"])
    def test_the_expected_checkpoint_is_compared_by(self, session: Session, part: str) -> None:
        writer = Writer(session).prepare(LOG)
        writer.commit(page(1, LOG, [{"line": "a"}]))
        stored = session.checkpoint(KEY)
        assert stored is not None
        other: dict[str, Any] = {"page_number": 9, "attempt": "somebody else's"}
        group = writer.group(page(2, LOG, [{"line": "b"}]))
        wrong = replace(stored, **{part: other[part]})
        refused(session, replace(group, advances=[Advance(wrong, group.advances[0].at)]))
        session.commit(group)

    def test_what_was_committed_can_be_expected_without_asking(self, session: Session) -> None:
        """The crawl goes on from the checkpoint it just wrote."""
        writer = Writer(session).prepare(LOG)
        first = writer.group(page(1, LOG, [{"line": "a"}]))
        session.commit(first)
        second = writer.group(page(2, LOG, [{"line": "b"}]))
        session.commit(replace(second, advances=[Advance(first.advances[0].at, second.advances[0].at)]))
        assert contents(session, LOG) == [("a",), ("b",)]

    def test_one_stale_stream_refuses_the_whole_group(self, session: Session) -> None:
        writer = Writer(session).prepare(LOG)
        keys = [StreamKey("run-1", "extract", name) for name in ("a", "b")]
        writer.commit(*(page(1, LOG, [{"line": key.slice}], slice=key.slice) for key in keys))
        group = writer.group(*(page(2, LOG, [{"line": key.slice}], slice=key.slice) for key in keys))
        writer.commit(page(2, LOG, [{"line": "first"}], slice="b"))
        refused(session, group, keys)

    def test_streams_do_not_fence_each_other(self, session: Session) -> None:
        writer = Writer(session).prepare(LOG)
        for name in ("a", "b", ""):
            writer.commit(page(1, LOG, [{"line": name}], slice=name))
        assert sorted(each.key.slice for each in session.checkpoints("run-1")) == ["", "a", "b"]
        assert session.checkpoints("run-2") == []

    def test_any_json_is_a_cursor(self, session: Session) -> None:
        Writer(session).prepare(LOG)
        for number, cursor in enumerate(CURSORS):
            key = StreamKey("run-1", "extract", f"a'b\" ☃ {number}")
            at = Checkpoint(key, 3, cursor, done=True, attempt="t", rows=2**40, memo={"hash": "x", "seen": cursor})
            session.commit(Group("run-1", advances=[Advance(None, at)]))
            stored = session.checkpoint(key)
            assert stored is not None
            assert replace(stored, attempt="t") == at
            assert type(stored.cursor_next) is type(cursor)
            session.commit(Group("run-1", advances=[Advance(stored, replace(at, page_number=4))]))

    def test_two_sessions_race_and_one_is_fenced(self, target: Target) -> None:
        needs_concurrent_writers(target)
        with target.destination.open() as ours, target.destination.open() as theirs:
            Writer(ours).prepare(LOG).commit(page(1, LOG, [{"line": "a"}]))
            late = Writer(theirs).prepare(LOG).group(page(2, LOG, [{"line": "theirs"}]))
            Writer(ours).commit(page(2, LOG, [{"line": "ours"}]))
            refused(theirs, late)
            assert contents(ours, LOG) == [("a",), ("ours",)]

    @pytest.mark.parametrize("started", [False, True], ids=["first", "later"])
    def test_of_many_at_the_same_instant_one_commits(self, target: Target, started: bool) -> None:
        needs_concurrent_writers(target)
        with target.destination.open() as session:
            writer = Writer(session).prepare(LOG)
            if started:
                writer.commit(page(1, LOG, [{"line": "a"}]))
        contenders = 4
        gate = threading.Barrier(contenders)
        outcomes: list[str] = []

        def contend(name: str) -> None:
            with target.destination.open() as mine:
                group = Writer(mine).prepare(LOG).group(page(2, LOG, [{"line": name}]))
                gate.wait(30)
                try:
                    mine.commit(group)
                    outcomes.append("committed")
                except Fenced:
                    outcomes.append("fenced")
                except CommitFailed as error:
                    outcomes.append(f"failed: {error}")

        threads = [threading.Thread(target=contend, args=(f"writer {n}",)) for n in range(contenders)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sorted(outcomes) == ["committed", *["fenced"] * (contenders - 1)]
        with target.destination.open() as session:
            assert len(contents(session, LOG)) == 1 + started
