"""The SQLite store when its file is deleted, damaged, newer, unwritable or opened by many at once."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from headrace.core.errors import StateError
from headrace.state.contract import GONE, RunEntry
from headrace.state.file import FILE
from headrace.state.folder import state_folder
from headrace.state.process import is_alive, start_time, this_host
from headrace.state.store import StateStore
from headrace.testing.state_child import FixedClock


def test_a_deleted_folder_is_made_again(tmp_path: Path) -> None:
    warnings: list[str] = []
    with StateStore.open(tmp_path / "s", warn=warnings.append) as store:
        store.put_run(RunEntry("r1", "p", params={"a": 1}))
        store.put_token("t", {"refresh_token": "x"})
        shutil.rmtree(tmp_path / "s")
        assert store.runs() == []
        assert store.get_token("t") == {"refresh_token": "x"}
        store.heartbeat("r1")
        store.update_run("r1", rows=7)
        assert store.limit("l").reserve(1, 60) == 0
        with StateStore.open(tmp_path / "s") as other:
            (entry,) = other.runs()
            assert (entry.rows, entry.params, entry.pipeline, entry.status) == (7, {"a": 1}, "p", "running")
    assert warnings == []


@pytest.mark.parametrize("lost", [(FILE,), (FILE + "-wal",), (FILE + "-shm",), (FILE + "-wal", FILE + "-shm")])
def test_any_file_may_be_lost(tmp_path: Path, lost: tuple[str, ...]) -> None:
    with StateStore.open(tmp_path) as store:
        store.put_run(RunEntry("r1", "p"))
        for name in lost:
            (tmp_path / name).unlink()
        store.update_run("r1", rows=7)
        store.heartbeat("r1")
    with StateStore.open(tmp_path) as again:
        again.put_run(RunEntry("r2", "p"))
        assert again.run("r2") is not None


@pytest.mark.parametrize("how", ["text", "zeros", "header kept"])
def test_a_damaged_file_is_set_aside(tmp_path: Path, how: str) -> None:
    with StateStore.open(tmp_path) as store:
        for n in range(200):
            store.put_run(RunEntry(f"r{n}", "p", error="x" * 100))
    path = tmp_path / FILE
    whole = path.read_bytes()
    path.write_bytes(
        {"text": b"not a database " * 1000, "zeros": bytes(len(whole)), "header kept": whole[:100] + b"\xff" * 50_000}[
            how
        ]
    )
    warnings: list[str] = []
    with StateStore.open(tmp_path, warn=warnings.append) as store:
        store.put_run(RunEntry("new", "p"))
        assert [entry.run_id for entry in store.runs()] == ["new"]
    assert len(warnings) == 1
    assert "damaged" in warnings[0]
    (aside,) = tmp_path.glob(f"{FILE}.damaged-*")
    assert aside.stat().st_size > 10_000


def test_a_newer_state_is_refused_by_name(tmp_path: Path) -> None:
    StateStore.open(tmp_path).close()
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute("UPDATE schema_version SET version = 99")
    connection.close()
    with pytest.raises(StateError, match="newer Headrace") as caught:
        StateStore.open(tmp_path)
    assert str(tmp_path / FILE) in str(caught.value)
    assert "HEADRACE_STATE" in caught.value.hint


def test_a_place_that_cannot_be_written_warns_once_and_the_run_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    warnings: list[str] = []
    clock = FixedClock()
    with StateStore.open(tmp_path / "file" / "state", clock=clock, warn=warnings.append) as store:
        store.put_run(RunEntry("r1", "p"))
        store.update_run("r1", rows=3)
        store.heartbeat("r1")
        found = store.run("r1")
        assert found is not None
        assert found.rows == 3
        assert store.runs() == []
        assert store.holder("r1") is None
        store.put_token("t", {"a": 1})
        assert store.get_token("t") == {"a": 1}
        waits = [store.limit("l").reserve(2, 10) for _ in range(5)]
        assert waits == pytest.approx([0, 0, 10, 10, 20], abs=0.001)
    assert len(warnings) == 1
    assert "this run goes on" in warnings[0]


def test_a_locked_file_is_waited_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.state.file._BUSY_SECONDS", 0.05)
    warnings: list[str] = []
    with StateStore.open(tmp_path, warn=warnings.append) as store:
        blocker = sqlite3.connect(tmp_path / FILE, isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        assert store.limit("l").reserve(1, 10) == 0
        store.put_run(RunEntry("r1", "p"))
        blocker.execute("ROLLBACK")
        blocker.close()
        store.update_run("r1", rows=1)
        with StateStore.open(tmp_path) as other:
            found = other.run("r1")
            assert found is not None
            assert found.rows == 1
    assert len(warnings) == 1
    assert "locked" in warnings[0]


def test_a_token_is_flushed_to_the_disk(tmp_path: Path) -> None:
    with StateStore.open(tmp_path) as store:
        said: list[str] = []
        store._file.connection().set_trace_callback(said.append)
        store.put_token("t", {"a": 1})
        store._file.connection().set_trace_callback(None)
        (before,) = [n for n, sql in enumerate(said) if sql == "PRAGMA synchronous = FULL"]
        (insert,) = [n for n, sql in enumerate(said) if sql.startswith("INSERT")]
        (after,) = [n for n, sql in enumerate(said) if sql == "PRAGMA synchronous = NORMAL"]
        assert before < insert < after


def test_files_are_private_and_ignored_by_git(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with StateStore.open(tmp_path / "s") as store:
            store.put_token("t", {"a": 1})
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "s").iterdir()}
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o700
    assert {modes[name] for name in (FILE, FILE + "-wal", FILE + "-shm")} == {0o600}
    assert (tmp_path / "s" / ".gitignore").read_text() == "*\n"


_OPEN = """
import sys
from headrace.state.contract import RunEntry
from headrace.state.store import StateStore
sys.stdin.readline()
store = StateStore.open(sys.argv[1], warn=lambda message: sys.exit(message))
for n in range(20):
    store.put_run(RunEntry(f"{sys.argv[2]}-{n}", "p", status="done"))
store.close()
"""


def test_six_processes_create_it_at_once(tmp_path: Path) -> None:
    children = [
        subprocess.Popen([sys.executable, "-c", _OPEN, str(tmp_path / "s"), str(n)], stdin=subprocess.PIPE)
        for n in range(6)
    ]
    for child in children:
        assert child.stdin is not None
        child.stdin.write(b"go\n")
        child.stdin.close()
    assert [child.wait(30) for child in children] == [0] * 6
    with StateStore.open(tmp_path / "s") as store:
        assert len(store.runs(limit=1000)) == 120


def test_connections_of_ended_threads_are_closed(tmp_path: Path) -> None:
    with StateStore.open(tmp_path) as store:
        for n in range(20):
            thread = threading.Thread(target=store.put_run, args=(RunEntry(f"r{n}", "p"),))
            thread.start()
            thread.join()
        assert len(store._file._connections) <= 3
        assert len(store.runs()) == 20


def test_a_forked_process_opens_its_own(tmp_path: Path) -> None:
    program = """
import os, sys
from headrace.state.contract import RunEntry
from headrace.state.store import StateStore
store = StateStore.open(sys.argv[1], warn=lambda message: sys.exit(message))
store.put_run(RunEntry("parent", "p", status="done"))
parents = store._file.connection()
child = os.fork()
if child == 0:
    assert store._file.connection() is not parents
    store.put_run(RunEntry("child", "p", status="done"))
    store.close()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert {entry.run_id for entry in store.runs()} == {"parent", "child"}
store.close()
"""
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, timeout=30)


def test_a_run_on_another_host_is_judged_by_its_heartbeat(tmp_path: Path) -> None:
    clock = FixedClock()
    with StateStore.open(tmp_path, clock=clock) as store:
        store.put_run(RunEntry("r1", "p", pid=1, host="elsewhere"))
        clock.at += 29_000_000
        assert [entry.status for entry in store.runs()] == ["running"]
        clock.at += 2_000_000
        assert [entry.status for entry in store.runs()] == [GONE]
    with sqlite3.connect(tmp_path / FILE) as connection:
        assert connection.execute("SELECT status FROM runs").fetchall() == [("running",)], "computed, never stored"
    connection.close()


def test_a_pid_that_was_given_to_another_process_is_not_alive() -> None:
    me = os.getpid()
    assert is_alive(me, start_time(me))
    if start_time(me):
        assert not is_alive(me, "12345")
    assert not is_alive(0, "")
    assert this_host()


def test_a_zombie_is_not_alive() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    started = start_time(child.pid)
    assert is_alive(child.pid, started)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not is_alive(child.pid, started)
    child.communicate()
    assert not is_alive(child.pid, started)


def test_where_the_folder_is(tmp_path: Path) -> None:
    project, home = tmp_path / "project", tmp_path / "home"
    project.mkdir()
    environ = {"XDG_STATE_HOME": str(home)}

    def where(pipeline: str | None = None, **more: str) -> Path:
        return state_folder(Path(pipeline) if pipeline else None, environ={**environ, **more}, current=project)

    assert where() == home / "headrace"
    assert where("../elsewhere.yml") == home / "headrace"
    assert where("pipelines/x.yml") == project / ".headrace"
    assert where(HEADRACE_STATE=str(tmp_path / "named")) == tmp_path / "named"
    assert where(HEADRACE_STATE="relative") == project / "relative"
    (project / ".headrace").mkdir()
    assert where() == project / ".headrace"
    assert where("../elsewhere.yml") == project / ".headrace"
    (project / ".headrace").rmdir()
    assert where(XDG_STATE_HOME="relative") == Path("~/.local/state/headrace").expanduser()


def test_help_needs_no_sqlite() -> None:
    program = (
        "import sys, headrace.state, headrace.secrets; sys.exit('sqlite3' in sys.modules or 'pydantic' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
