"""A few real kills in every test run; `make crash` has the many."""

from __future__ import annotations

import subprocess
import time
from collections import deque
from dataclasses import replace
from typing import Any

import pytest

import headrace
from headrace.core.errors import RunIsHeld
from headrace.testing.crash import At, Crawl, Kill, attempt, outcome, survive, undisturbed


@pytest.fixture
def crawl(place: Any, sandbox: Any) -> Crawl:
    """Pages of one at a time; the type of `tags` is found out on the way."""
    file = place.file({
        "url": f"{sandbox.url}/styles/cursor-query?limit=10",
        "pagination": {"type": "cursor", "param": "cursor", "response_path": "meta.next_cursor"},
        "rate_limit": {"requests_per_second": 200, "concurrency": 1},
        "commit_every": 0.01,
        "tables": [
            {"table": "merged", "key": ["id"], "columns": {"id": "id", "tags": "tags", "note": "note"}},
            {"table": "appended", "columns": {"id": "id", "amount": "amount"}},
        ],
    })  # fmt: skip
    return Crawl(str(file), place.url, state=place.state)


def test_killed_and_resumed_is_the_same(crawl: Crawl, place: Any, sandbox: Any) -> None:
    expected = undisturbed(crawl)
    assert expected.tables["merged"].total() == expected.tables["appended"].total() == 230
    assert len(expected.pages) == 23
    kills: deque[Kill] = deque(
        [At("fetch.received"), At("fetch.sent", 2), At("commit.before_commit"), At("commit.after_commit")]
    )
    torn = replace(crawl, destination=f"duckdb:///{place.folder}/torn.duckdb", state=place.folder / "torn")
    sandbox.reset()
    found = survive(torn, kills, expected=expected, asked=lambda: sandbox.stats()["by_request"])
    assert found.kills >= 3
    assert (found.rows_lost, found.rows_doubled, found.pages_different, found.streams_different) == (0, 0, 0, 0)
    assert found.refetched_committed == 0
    assert found.extra <= 1


def test_a_difference_is_seen(crawl: Crawl, place: Any) -> None:
    """The comparison itself can fail: another crawl loses rows, pages and streams to this one."""
    from headrace.testing.crash import compare

    whole = undisturbed(crawl)
    part = replace(crawl, destination=f"duckdb:///{place.folder}/part.duckdb", state=place.folder / "part")
    headrace.run(part.pipeline, destination=part.destination, state=part.state, run_id=part.run_id, max_pages=3)
    found = compare(whole, outcome(part))
    assert found.rows_lost >= 2 * 200
    assert found.pages_different == 20
    assert found.streams_different == 1
    assert compare(outcome(part), whole).rows_doubled >= 2 * 200


def test_a_second_process_on_one_run_is_refused(anywhere: Any, sandbox: Any) -> None:
    """Named: the run, the process that has it, and when it last showed a sign of life."""
    sandbox.fault("hang", nth=3)
    file = anywhere.file({
        "url": f"{sandbox.url}/styles/cursor-query?limit=20",
        "pagination": {"type": "cursor", "param": "cursor", "response_path": "meta.next_cursor"},
        "destination": {"table": "held"},
    })  # fmt: skip
    crawl = Crawl(str(file), anywhere.url, state=anywhere.state, run_id="held-run")
    with subprocess.Popen(crawl.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as first:
        try:
            deadline = time.monotonic() + 30
            while sandbox.stats()["requests"] < 3 and time.monotonic() < deadline:
                time.sleep(0.02)
            with pytest.raises(RunIsHeld) as refused:
                anywhere.run(file, run_id="held-run")
            text = str(refused.value)
            assert "held-run" in text
            assert str(first.pid) in text
            assert "heartbeat" in text
            second = attempt(crawl)
            assert second.exit_code == 2
            assert str(first.pid) in second.log
        finally:
            first.kill()
    sandbox.clear_faults()
    assert anywhere.run(file, run_id="held-run").status == "done"
    assert anywhere.one("SELECT count(*) FROM held") == 230
