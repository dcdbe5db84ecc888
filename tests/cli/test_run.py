"""Runs as processes: stopped, killed, refused, resumed."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace.sandbox.thread import Sandbox

Invoke = Callable[..., Any]
Begin = Callable[..., Any]
Sapi = tuple[str, ...]

PAGES = 5
TABLES = ("sapi_titles", "sapi_offers", "sapi_assets", "sapi_offer_variants")


def slow(sandbox: Sandbox, ms: int = 150) -> None:
    sandbox.fault("latency", path="/shows/*", params={"ms": ms, "jitter": 0})


def wait_for(what: Callable[[], bool], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


def status_of(invoke: Invoke, run_id: str) -> dict[str, Any]:
    said = invoke("status", run_id, "--json")
    return said.json if said.code == 0 else {}


def contents(invoke: Invoke, destination: str) -> dict[str, Any]:
    """The tables, without what tells one run from another."""
    found = {}
    for table in TABLES:
        said = invoke("query", f"SELECT * FROM {table}", "--format", "json", "--destination", destination)
        rows = [{k: v for k, v in row.items() if k not in ("fetched_at", "last_seen_run_id")} for row in said.json]
        found[table] = sorted(rows, key=lambda row: json.dumps(row, sort_keys=True))
    return found


@pytest.mark.parametrize("scheme", ["duckdb", "sqlite"])
def test_done(invoke: Invoke, sapi: Sapi, scheme: str) -> None:
    said = invoke(*sapi, "--destination", f"{scheme}:///x.db", "--run-id", "r1")
    assert said.code == 0
    assert said.out.startswith(f"Done: {PAGES} pages with {PAGES} requests in ")
    assert f"in   {scheme}:///x.db" in said.out
    assert said.err.startswith("Fetching titles\n")
    again = invoke(*sapi, "--destination", f"{scheme}:///x.db", "--run-id", "r1", "--json")
    assert (again.code, again.json["requests"], again.json["resumed"]) == (0, 0, True)


@pytest.mark.parametrize("scheme", ["duckdb", "sqlite"])
def test_ctrl_c_commits_what_is_fetched_and_says_how_to_resume(
    invoke: Invoke, begin: Begin, sandbox: Sandbox, sapi: Sapi, scheme: str
) -> None:
    place = ("--destination", f"{scheme}:///x.db")
    assert invoke(*sapi, "--destination", f"{scheme}:///whole.db").code == 0
    sandbox.reset()
    slow(sandbox, 300)
    process = begin(*sapi, *place, "--run-id", "r1")
    wait_for(lambda: sandbox.stats()["requests"] >= 3)
    process.popen.send_signal(signal.SIGINT)
    said = process.end()
    assert said.code == 130
    assert said.out.startswith("Stopped: ")
    assert "next headrace resume r1" in said.out
    assert "Traceback" not in said.err
    committed = int(re.match(r"Stopped: (\d+) page", said.out)[1])  # type: ignore[index]
    assert 0 < committed < PAGES
    assert status_of(invoke, "r1")["status"] == "interrupted"
    sandbox.clear_faults()
    resumed = invoke("resume", "r1", *sapi[2:], "--json")
    assert (resumed.code, resumed.json["status"]) == (0, "done")
    assert resumed.json["pages"] == PAGES - committed
    assert contents(invoke, place[1]) == contents(invoke, f"{scheme}:///whole.db")


@pytest.mark.parametrize("scheme", ["duckdb", "sqlite"])
def test_kill_9_then_status_then_resume(
    invoke: Invoke, begin: Begin, sandbox: Sandbox, sapi: Sapi, scheme: str
) -> None:
    place = ("--destination", f"{scheme}:///x.db")
    assert invoke(*sapi, "--destination", f"{scheme}:///whole.db").code == 0
    process = begin(*sapi, *place, "--run-id", "r1", HEADRACE_FAULT="fetch.sent:4:kill")
    said = process.end()
    assert said.code == -signal.SIGKILL
    shown = invoke("status", "r1")
    assert shown.out.startswith("r1: interrupted (process gone)\n")
    assert "is gone" in shown.out
    assert "next         headrace resume r1" in shown.out
    assert "interrupted (process gone)" in invoke("runs").out
    resumed = invoke("resume", "r1", *sapi[2:])
    assert resumed.code == 0
    assert resumed.out.startswith("Done (resumed): ")
    assert contents(invoke, place[1]) == contents(invoke, f"{scheme}:///whole.db")


def test_a_second_process_is_refused_and_what_still_answers_answers(
    invoke: Invoke, begin: Begin, sandbox: Sandbox, sapi: Sapi
) -> None:
    slow(sandbox, 3000)
    process = begin(*sapi, "--run-id", "r1")
    wait_for(lambda: status_of(invoke, "r1").get("status") == "running")
    wait_for(lambda: Path("headrace.duckdb").exists())
    pid = str(process.popen.pid)

    same = invoke(*sapi, "--run-id", "r1")
    assert same.code == 2
    assert "r1" in same.err
    assert pid in same.err
    assert "heartbeat" in same.err
    other = invoke(*sapi, "--run-id", "r2")
    assert other.code == 1
    assert f"is held by run r1 (pipeline sapi, process {pid})" in other.err
    for command in (("query", "SELECT 1"), ("why", "sapi_titles", "1"), ("raw", "r1", "--page", "1"), ("vacuum",)):
        said = invoke(*command)
        assert said.code == 1
        assert f"is held by run r1 (pipeline sapi, process {pid})" in said.err
        assert "headrace status r1" in said.err
    running = invoke("status", "r1")
    assert (running.code, running.out.splitlines()[0]) == (0, "r1: running")
    assert f"process      {pid} on " in running.out
    assert "running" in invoke("runs").out
    process.popen.send_signal(signal.SIGINT)
    assert process.end().code == 130


def test_two_processes_on_one_run_in_sqlite(invoke: Invoke, begin: Begin, sandbox: Sandbox, sapi: Sapi) -> None:
    slow(sandbox, 3000)
    place = ("--destination", "sqlite:///x.db")
    process = begin(*sapi, *place, "--run-id", "r1")
    wait_for(lambda: status_of(invoke, "r1").get("status") == "running")
    said = invoke(*sapi, *place, "--run-id", "r1")
    assert said.code == 2
    assert str(process.popen.pid) in said.err
    process.popen.send_signal(signal.SIGINT)
    assert process.end().code == 130


def test_max_pages_then_resume(invoke: Invoke, sapi: Sapi) -> None:
    paused = invoke(*sapi, "--max-pages", "2", "--run-id", "r1")
    assert paused.code == 3
    assert paused.out.startswith("Paused: 2 pages with 2 requests")
    assert "next headrace resume r1" in paused.out
    assert invoke("status", "r1", "--json").json["status"] == "partial"
    assert invoke("resume", "r1", *sapi[2:], "--max-pages", "1").code == 3
    done = invoke("resume", "r1", *sapi[2:], "--json")
    assert (done.code, done.json["pages"], done.json["requests"]) == (0, 2, 2)


def test_the_json_of_a_run_has_these_members(invoke: Invoke, sapi: Sapi) -> None:
    found = invoke(*sapi, "--json", "--progress", "none").json
    assert set(found) == {
        "run_id", "pipeline", "destination", "status", "rows", "pages", "requests", "cached", "retries", "seconds",
        "resumed", "steps", "suspicions", "error", "checks", "exit_code",
    }  # fmt: skip
    assert (found["status"], found["exit_code"], found["pipeline"]) == ("done", 0, "sapi")


def test_other_inputs_under_a_run_are_refused_with_the_difference(invoke: Invoke, sapi: Sapi) -> None:
    invoke(*sapi, "--run-id", "r1", "--max-pages", "1")
    said = invoke(*sapi, "--run-id", "r1", "--country", "de")
    assert said.code == 2
    assert "country was 'us' and is 'de'" in said.err


def test_logs_have_a_line_for_each_commit(invoke: Invoke, sapi: Sapi) -> None:
    said = invoke(*sapi, "--run-id", "r1", "--log-format", "json")
    lines = [json.loads(line) for line in said.err.splitlines()]
    commits = [line for line in lines if line["event"] == "batch_committed"]
    assert commits
    assert all(line["run_id"] == "r1" for line in lines)
    assert {"page_number", "pages", "rows", "step", "level", "timestamp"} <= set(commits[0])
    assert sum(line["pages"] for line in commits) == PAGES
    assert {"run_started", "step_started", "step_finished", "run_finished"} <= {line["event"] for line in lines}
    assert not any("request_sent" in line["event"] for line in lines)
    verbose = invoke(*sapi, "-vv", "--max-pages", "1").err
    assert "request_sent" in verbose
    assert os.environ["SAPI_API_KEY"] not in verbose


def test_the_key_is_nowhere(invoke: Invoke, sapi: Sapi, home: Path) -> None:
    key = os.environ["SAPI_API_KEY"]
    said = invoke(*sapi, "-vv", "--destination", "sqlite:///x.db", "--max-pages", "2", "--run-id", "r1")
    shown = invoke("preview", *sapi[1:])
    planned = invoke("plan", "sapi")
    for text in (said.out, said.err, shown.out, planned.out):
        assert key not in text
    assert "X-RapidAPI-Key: ***" in shown.out
    for path in home.rglob("*"):
        assert path.is_dir() or key.encode() not in path.read_bytes(), f"the key is in {path}"
    with sqlite3.connect("x.db") as db:
        assert db.execute("SELECT count(*) FROM sapi_raw_pages").fetchone() == (2,)
    db.close()


def test_ctrl_c_while_a_person_is_asked_for_the_key(sapi: Sapi, home: Path) -> None:
    import pty

    environment = {name: value for name, value in os.environ.items() if name != "SAPI_API_KEY"}
    program = [sys.executable, "-c", "from headrace.cli import main; main()", *sapi, "--run-id", "r1"]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(program[0], program, environment)
    shown = b""
    sent = False
    while True:
        try:
            found = os.read(terminal, 4096)
        except OSError:  # the process has gone
            break
        shown += found
        if b"Credential for SAPI:" in shown and not sent:
            os.write(terminal, b"\x03")
            sent = True
        if not found:
            break
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 130
    os.close(terminal)
    assert b"go on with: headrace resume r1" in shown
    assert b"Traceback" not in shown
