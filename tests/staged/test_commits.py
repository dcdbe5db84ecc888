"""A commit of a staged destination: neither or both, whatever breaks and whoever else writes."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from headrace.core import faults
from headrace.core.contracts import Destination, Session
from headrace.core.errors import CommitFailed, CommitUnknown, DestinationError, Fenced, NotSupported, StorageFailed
from headrace.core.tables import Rejected, SliceState, StreamKey
from headrace.destinations import _stage_names as names
from headrace.destinations._stage import StageDestination
from headrace.storage.contract import Store, Transient
from headrace.testing.destination import child
from headrace.testing.destination.build import RAW, Writer, group, page, table
from headrace.testing.destination.read import contents, everything, fetch

LOG = table("log", "append", {"line": "string", "n": "int"}, open_ended=True)
KEY = StreamKey("run-1", "extract")
FIRST = page(1, LOG, [{"line": "a", "n": 1}, {"line": "b", "n": 2}])
SECOND = page(
    2, LOG, [{"line": "c", "n": 3}], types={"n": "bigint", "new": "string"}, changes=[("new", None, "string")]
)
WANTED = {0: [], 1: [("a", 1), ("b", 2)], 2: [("a", 1), ("b", 2), ("c", 3)]}


def stands(session: Session) -> int:
    """How many pages are committed; rows, archive, columns and checkpoint have to agree."""
    stored = session.checkpoint(KEY)
    pages = stored.page_number if stored else 0
    assert contents(session, LOG) == WANTED[pages]
    assert [raw.page_number for raw in session.raw_pages(RAW)] == list(range(1, pages + 1))
    assert ("new" in session.columns("log")) == (pages == 2)
    assert (session.columns("log")["n"] == "bigint") == (pages == 2)
    return pages


def finish(destination: Destination) -> None:
    """Go on from where it stands, to the end."""
    with destination.open() as session:
        for one in (FIRST, SECOND)[stands(session) :]:
            Writer(session).prepare(LOG).commit(one)
        assert stands(session) == 2


def beside(destination: Destination, name: str) -> Destination:
    """An empty destination of the same kind."""
    field = "path" if "path" in type(destination).model_fields else "prefix"
    return destination.model_copy(update={field: f"{getattr(destination, field)}/{name}"})


def at(point: str, nth: int, act: Callable[[], None]) -> Callable[[str], None]:
    left = nth

    def handler(name: str) -> None:
        nonlocal left
        if name == point:
            left -= 1
            if left == 0:
                act()

    return handler


def fail() -> None:
    raise faults.InjectedFault("here")


@pytest.mark.parametrize("point", ["storage.operation", "storage.answered"])
def test_a_fault_at_every_operation_leaves_neither_or_both(stage: Destination, point: str) -> None:
    found = []
    for nth in range(1, 20):
        fresh = beside(stage, str(nth))
        with fresh.open() as session:
            writer = Writer(session).prepare(LOG)
            writer.commit(FIRST)
            second = writer.group(SECOND)
            faults.install(at(point, nth, fail))
            try:
                session.commit(second)
            except (CommitFailed, faults.InjectedFault):
                faults.install(None)
                found.append(stands(session))
            else:
                faults.install(None)
                assert stands(session) == 2
                break
            if found[-1] == 1:
                session.commit(second)  # the same session goes on
            with pytest.raises(Fenced):
                session.commit(second)
            assert stands(session) == 2
    rest = [1] if point == "storage.operation" else [2]
    assert found == [1, 1, 1, *rest], "rows, archive, a new column, the manifest"


def test_a_kill_at_every_operation_of_a_folder(folder: Destination, tmp_path: Path) -> None:
    """A few of them here; all of them, and random instants, in the crash lane."""
    for nth, point in ((1, "operation"), (6, "answered"), (8, "operation")):
        _killed(folder, tmp_path, f"storage.{point}:{nth}:kill")
    finish(folder)


@pytest.mark.crash
@pytest.mark.parametrize("point", ["storage.operation", "storage.answered"])
def test_a_kill_at_every_operation(stage: Destination, tmp_path: Path, point: str) -> None:
    for nth in range(1, 40):
        if not _killed(stage, tmp_path, f"{point}:{nth}:kill"):
            break
    assert nth > 2
    finish(stage)


def _killed(destination: Destination, folder: Path, fault: str) -> bool:
    """Commit what is left in a process that is killed at ``fault``; whether it was."""
    with destination.open() as session:
        session.prepare([LOG], [RAW])
        done = session.checkpoint(KEY)
        start = stands(session)
    groups = []
    for one in (FIRST, SECOND)[start:]:
        groups.append(group([one], {KEY: done}))
        done = groups[-1].advances[0].at
    process = child.start(child.Order(destination, [LOG], [RAW], groups), folder, fault=fault)
    _, errors = process.communicate(timeout=120)
    assert process.returncode in (0, -signal.SIGKILL), errors
    with destination.open() as session:
        assert stands(session) >= start
    return process.returncode != 0


class Doubtful:
    """A store whose answers to the writing of manifests are lost; ``late``: and so are all further requests."""

    def __init__(self, store: Store, *, late: bool) -> None:
        self._store, self._late, self._lost = store, late, 0
        self.place, self.parallel = store.place, 1

    def create(self, name: str, data: bytes) -> bool:
        if "/manifests/" not in name:
            return self._store.create(name, data)
        if self._lost and self._late:
            raise Transient("no way there")
        self._lost += 1
        made = self._store.create(name, data)
        if self._lost == 1:
            raise Transient("the answer was lost")
        return made

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


@contextmanager
def doubting(destination: Destination, monkeypatch: pytest.MonkeyPatch, *, late: bool) -> Iterator[Session]:
    assert isinstance(destination, StageDestination)
    original = type(destination).store
    monkeypatch.setattr(type(destination), "store", lambda self: Doubtful(original(self), late=late))
    monkeypatch.setattr("headrace.storage.retry.FIRST_WAIT", 0.0)
    with destination.open() as session:
        yield session
    monkeypatch.undo()


def test_a_commit_whose_answer_is_lost_took_place_once(folder: Destination, monkeypatch: pytest.MonkeyPatch) -> None:
    with doubting(folder, monkeypatch, late=False) as session:
        writer = Writer(session).prepare(LOG)
        writer.commit(FIRST)
        writer.commit(SECOND)
        assert stands(session) == 2


def test_a_commit_that_nobody_answers_is_in_doubt(folder: Destination, monkeypatch: pytest.MonkeyPatch) -> None:
    with doubting(folder, monkeypatch, late=True) as session:
        writer = Writer(session).prepare(LOG)
        with pytest.raises(CommitUnknown):
            writer.commit(FIRST)
        assert stands(session) == 1, "it did take place, and its parts were left alone"
    finish(folder)


def test_a_stale_writer_harms_nothing(stage: Destination) -> None:
    """It was held up between its parts and its manifest, while another one went on."""
    with stage.open() as stale, stage.open() as fresh:
        late = Writer(stale).prepare(LOG).group(page(1, LOG, [{"line": "stale", "n": 9}]))

        def overtaken() -> None:
            faults.install(None)
            Writer(fresh).prepare(LOG).commit(FIRST)

        faults.install(at("commit.before_commit", 1, overtaken))
        with pytest.raises(Fenced):
            stale.commit(late)
        Writer(fresh).commit(SECOND)
    finish(stage)


def test_two_writers_of_one_run_s_slices_take_turns(stage: Destination) -> None:
    with stage.open() as ours, stage.open() as theirs:
        mine = Writer(ours).prepare(LOG).group(page(1, LOG, [{"line": "a"}], slice="a"))

        def between() -> None:
            faults.install(None)
            Writer(theirs).prepare(LOG).commit(page(1, LOG, [{"line": "b"}], slice="b"))

        faults.install(at("commit.before_commit", 1, between))
        ours.commit(mine)
        assert contents(ours, LOG) == [("a", None), ("b", None)]
        assert {each.key.slice for each in ours.checkpoints("run-1")} == {"a", "b"}


def test_a_vacuum_takes_what_no_manifest_knows(stage: Destination) -> None:
    assert isinstance(stage, StageDestination)
    orphan = names.part("log", 0, "run-1", 7, ".jsonl")
    with stage.open() as session:
        Writer(session).prepare(LOG).commit(FIRST)
        before = everything(session, [LOG], [KEY])
        stage.store().put(orphan, b'{"line": "never committed"}\n')
        assert everything(session, [LOG], [KEY]) == before
        session.vacuum()
        assert stage.store().get(orphan) is None
        assert everything(session, [LOG], [KEY]) == before
        Writer(session).commit(SECOND)
    finish(stage)


def test_a_vacuum_in_the_middle_of_a_commit_costs_nothing(stage: Destination) -> None:
    """It deletes the parts of a commit that is about to publish them, and the commit writes them anew."""
    with stage.open() as session, stage.open() as other:
        Writer(session).prepare(LOG).commit(FIRST)
        second = Writer(session).group(SECOND)

        def sweep() -> None:
            faults.install(None)
            other.vacuum()

        faults.install(at("commit.before_commit", 1, sweep))
        session.commit(second)
        assert stands(session) == 2
    finish(stage)


def test_a_file_that_was_changed_is_found(folder: Destination, tmp_path: Path) -> None:
    with folder.open() as session:
        Writer(session).prepare(LOG).commit(FIRST)
    (part,) = (tmp_path / "stage/source=log").rglob("part-*")
    text = part.read_bytes()
    for changed, says in ((text.replace(b'"a"', b'"x"'), "SHA-256"), (text + b"{}\n", "bytes")):
        part.write_bytes(changed)
        with folder.open() as session, pytest.raises(DestinationError, match=says):
            contents(session, LOG)
    part.unlink()
    with folder.open() as session, pytest.raises(DestinationError, match="is gone"):
        contents(session, LOG)


def test_eight_sessions_prepare_and_commit_at_once(stage: Destination) -> None:
    gate, errors = threading.Barrier(8), []

    def work(number: int) -> None:
        try:
            with stage.open() as session:
                gate.wait(60)
                writer = Writer(session).prepare(LOG)
                writer.commit(page(1, LOG, [{"line": str(number), "n": number}], slice=str(number)))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert errors == []
    with stage.open() as session:
        assert contents(session, LOG) == [(str(n), n) for n in range(8)]


def test_what_it_cannot_do_is_refused(folder: Destination) -> None:
    with folder.open() as session:
        session.prepare([LOG], [RAW])
        for refused in (
            lambda: session.rebuild([LOG]),
            lambda: session.rehearse(["log"]),
            lambda: session.purge(table=RAW),
            lambda: session.decide_removals("log", "run-1", confirm=True),
            lambda: session.prepare([table("m", "merge", {"id": "int"}, key=("id",))], []),
            lambda: session.prepare([table("k", "append", {"id": "int"}, key=("id",))], []),
        ):
            with pytest.raises(NotSupported, match="only adds rows"):
                refused()


def test_rejected_rows_and_ended_slices_are_in_the_manifest(stage: Destination) -> None:
    with stage.open() as session:
        writer = Writer(session).prepare(LOG)
        session.freeze_slices("run-1", "extract", [SliceState("s", 0, {"id": 1})])
        one = writer.group(
            page(1, LOG, [{"line": "a"}], slice="s"), slices=[("extract", SliceState("s", 0, {}, "done", 1))]
        )
        rejected = Rejected("log", 5, 7, "not a number", "n", b'{"n": "x"}')
        session.commit(type(one)(**{f: getattr(one, f) for f in one.__slots__} | {"rejected": [rejected]}))
    with stage.open(read_only=True) as session:
        assert fetch(session, "SELECT run_id, _page, _record, reason, raw FROM log_rejected") == [
            ("run-1", 5, 7, "not a number", b'{"n": "x"}')
        ]
        assert fetch(session, "SELECT name, status FROM headrace_slices WHERE run_id = ?", ["run-1"]) == [("s", "done")]


def test_a_folder_that_cannot_be_written_is_no_half_commit(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        (tmp_path / "stage").write_text("in the way")
        from headrace.destinations import from_url

        with pytest.raises(StorageFailed), from_url(f"file:///{tmp_path}/stage").open() as session:
            session.prepare([LOG], [RAW])
