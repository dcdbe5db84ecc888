"""A process killed by SIGKILL, at every point of a commit and while it holds a lease."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from headrace.core.contracts import Session
from headrace.core.errors import DestinationBusy, RunIsHeld
from headrace.core.tables import StreamKey

from . import child
from .build import RAW, Writer, group, page, table
from .read import contents, everything
from .target import DestinationTests, Target

ITEMS = table("items", "merge", {"id": "int", "name": "string"}, key=("id",))
KEY = StreamKey("run-1", "extract")
FIRST = page(1, ITEMS, [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}])
SECOND = page(2, ITEMS, [{"id": 2, "name": "B"}, {"id": 3, "name": "c"}])


def stands(session: Session, pages: int) -> None:
    """Rows, archive and checkpoint all say that ``pages`` pages are committed."""
    stored = session.checkpoint(KEY)
    assert (stored.page_number if stored else 0) == pages
    assert [raw.page_number for raw in session.raw_pages(RAW)] == list(range(1, pages + 1))
    wanted = {0: [], 1: [(1, "a"), (2, "b")], 2: [(1, "a"), (2, "B"), (3, "c")]}[pages]
    assert contents(session, ITEMS) == wanted


def take_lease(target: Target, run: str, deadline: float) -> float:
    """Seconds until the lease could be taken."""
    began = time.monotonic()
    while True:
        try:
            with target.destination.open() as session, session.lease(run, "the next one"):
                return time.monotonic() - began
        except (RunIsHeld, DestinationBusy):
            if time.monotonic() - began > deadline:
                raise
            time.sleep(0.05)


class Crashes(DestinationTests):
    @pytest.mark.parametrize(
        ("point", "pages"),
        [
            ("commit.begin:1", 0),
            ("commit.sql:3", 0),
            ("commit.staged:2", 1),
            ("commit.before_commit:2", 1),
            ("commit.after_commit:1", 1),
        ],
    )
    def test_sigkill_inside_commit_leaves_neither_or_both(
        self, target: Target, tmp_path: Path, point: str, pages: int
    ) -> None:
        with target.destination.open() as session:
            session.prepare([ITEMS], [RAW])
        first = group([FIRST])
        second = group([SECOND], {KEY: first.advances[0].at})
        order = child.Order(target.destination, [ITEMS], [RAW], [first, second])
        process = child.start(order, tmp_path, fault=f"{point}:kill")
        _, errors = process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL, errors
        with target.destination.open() as session:
            stands(session, pages)
            for one in (FIRST, SECOND)[pages:]:
                Writer(session).prepare(ITEMS).commit(one)
            stands(session, 2)

    def test_an_undisturbed_process_commits_both(self, target: Target, tmp_path: Path) -> None:
        first = group([FIRST])
        second = group([SECOND], {KEY: first.advances[0].at})
        process = child.start(child.Order(target.destination, [ITEMS], [RAW], [first, second]), tmp_path)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        with target.destination.open() as session:
            stands(session, 2)

    def test_a_held_run_is_refused_and_free_once_its_holder_is_killed(self, target: Target, tmp_path: Path) -> None:
        with target.destination.open() as session:
            session.prepare([ITEMS], [RAW])
            empty = everything(session, [ITEMS], [KEY])
        process = child.start(child.Order(target.destination, lease="run-1", wait=True), tmp_path)
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n", process.communicate()[1]
            with (
                pytest.raises((RunIsHeld, DestinationBusy)) as refusal,
                target.destination.open() as session,
                session.lease("run-1", "the second"),
            ):
                pass
            assert str(process.pid) in str(refusal.value), "the message names the holder's pid"
            if isinstance(refusal.value, RunIsHeld):
                assert "run-1" in str(refusal.value)
        finally:
            process.kill()
            process.communicate()
        # A server learns of a client's death when it reads from the socket: promptly, not atomically.
        assert take_lease(target, "run-1", deadline=5) < 5
        with target.destination.open() as session:
            assert everything(session, [ITEMS], [KEY]) == empty

    def test_a_lease_ends_with_its_block(self, session: Session) -> None:
        for _ in range(2):
            with session.lease("run-1", "pid 1"):
                pass

    def test_a_lease_is_refused_to_the_same_session(self, session: Session) -> None:
        """A service has one session for all its runs: asking twice for one run is two holders."""
        with session.lease("run-1", "pid 4242"):
            with pytest.raises(RunIsHeld, match="run-1"), session.lease("run-1", "pid 4243"):
                pass
            with session.lease("run-2", "pid 4243"):
                pass
