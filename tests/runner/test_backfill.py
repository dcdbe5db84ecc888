"""A span of time asked for again: which windows, what they leave alone, and what a kill costs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import headrace
from headrace.core.errors import InputError, NotSupported, RunRefused

DAYS = [f"2026-01-{day:02}" for day in range(1, 21)]
FAST = {"requests_per_second": 10_000, "max_retries": 0}


def changed(day: str) -> list[dict[str, Any]]:
    return [{"id": f"{day}/{n}", "at": f"{day}T0{n}:00:00Z"} for n in range(3)]


def answer(path: str, query: Mapping[str, str]) -> Any:
    since, until = query.get("since", ""), query.get("until", "9")
    return {"data": [row for day in DAYS for row in changed(day) if since <= row["at"] < until]}


@pytest.fixture(autouse=True)
def _answers(api: Any) -> None:
    api.answer = answer


def incremental(**more: Any) -> dict[str, Any]:
    return {
        "url": "/items", "pagination": {"type": "none"}, "rate_limit": FAST,
        "incremental": {"param": "since", "until": "until", "cursor_path": "at", "start": "2026-01-18"},
        "tables": [{"table": "t", "key": ["id"], "columns": {"id": "id", "at": "at"}}],
        **more,
    }  # fmt: skip


def backfill(place: Any, file: Path, start: str, end: str, **more: Any) -> headrace.RunResult:
    return headrace.backfill(file, start, end, destination=place.url, state=place.state, **more)


def ids(place: Any) -> list[str]:
    found: list[str] = place.column("SELECT id FROM t ORDER BY id")
    return found


def of(*days: str) -> list[str]:
    return [row["id"] for day in days for row in changed(day)]


def test_windows_are_asked_for_and_the_mark_stays(place: Any, api: Any) -> None:
    file = place.file(incremental())
    assert place.run(file).status == "done"
    assert ids(place) == of("2026-01-18", "2026-01-19", "2026-01-20")
    api.asked.clear()
    result = backfill(place, file, "2026-01-01", "2026-01-06", step="2d")
    assert result.status == "done"
    assert sorted(api.asked) == [
        f"/items?since=2026-01-{a}T00%3A00%3A00Z&until=2026-01-{b}T00%3A00%3A00Z" for a, b in (("01", "03"), ("03", "05"), ("05", "06"))
    ]  # fmt: skip
    assert ids(place) == of(*DAYS[:5], *DAYS[17:])
    api.asked.clear()
    place.run(file)
    assert api.asked == ["/items?since=2026-01-20T02%3A00%3A00Z"], "from where the last run that was none ended"


def test_a_backfill_beyond_the_mark_does_not_move_it_on(place: Any, api: Any) -> None:
    """What lies between the mark and the span was never asked for."""
    config = incremental()
    config["incremental"]["start"] = "2026-01-02"
    file = place.file(config)
    backfill(place, file, "2026-01-10", "2026-01-12")
    api.asked.clear()
    place.run(file)
    assert api.asked == ["/items?since=2026-01-02"]
    assert ids(place) == of(*DAYS[1:])


@pytest.mark.parametrize(
    ("start", "asked"),
    [(1767225600, "since=1767225600&until=1767312000"), (1767225600000, "since=1767225600000&until=1767312000000"),
     ("2026-01-05", "since=2026-01-01&until=2026-01-02"), (None, "since=2026-01-01&until=2026-01-02"),
     ("2026-01-05T00:00:00Z", "since=2026-01-01T00%3A00%3A00Z&until=2026-01-02T00%3A00%3A00Z")],
)  # fmt: skip
def test_a_window_is_written_as_the_mark_is(place: Any, api: Any, start: Any, asked: str) -> None:
    config = incremental()
    config["incremental"]["start"] = start
    backfill(place, place.file(config), "2026-01-01", "2026-01-02")
    assert api.asked == [f"/items?{asked}"]


def test_date_slices_get_another_span_and_remove_nothing(place: Any, api: Any) -> None:
    config = incremental(
        slices={"dates": {"from": "2026-01-01", "to": "2026-01-21", "step": "10d"}, "concurrency": 1},
        params={"since": "{slice.start}", "until": "{slice.end}"},
    )
    del config["incremental"]
    file = place.file(config)
    place.run(file)
    api.asked.clear()
    gone = {"2026-01-03/1"}
    api.answer = lambda path, query: {"data": [r for r in answer(path, query)["data"] if r["id"] not in gone]}
    backfill(place, file, "2026-01-02", "2026-01-04")
    assert api.asked == ["/items?since=2026-01-02&until=2026-01-04"], "its own step is longer than the span"
    assert place.column("SELECT count(*) FROM t_current") == [60], "a part says nothing of the rest"
    headrace.replay("made", destination=place.url)
    assert place.column("SELECT count(*) FROM t_current") == [60]


def test_steps_that_know_no_time_are_left_out(place: Any, api: Any) -> None:
    other = {"url": "/others", "pagination": {"type": "none"}, "rate_limit": FAST,
             "tables": [{"table": "o", "key": ["id"], "columns": {"id": "id"}}]}  # fmt: skip
    file = place.file(other, incremental())
    result = backfill(place, file, "2026-01-01", "2026-01-02")
    assert [step.step for step in result.steps] == ["b"]
    assert [path for path in api.asked if "others" in path] == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"incremental": {"param": "since", "cursor_path": "at"}}, "step a: nothing says how the API is given the end"),
        ({"incremental": None}, "no step of pipeline 'made' can be asked for a span of time"),
        ({"slices": {"each": {"x": ["1"]}}}, "step a: it is cut into slices of its own"),
        ({"tables": [{"table": "t", "columns": {"id": "id"}, "write": "replace"}]}, "'t' is written by replace"),
    ],
)
def test_what_cannot_be_backfilled_says_why(place: Any, api: Any, change: dict[str, Any], said: str) -> None:
    config = {k: v for k, v in {**incremental(), **change}.items() if v is not None}
    with pytest.raises(NotSupported, match=said):
        backfill(place, place.file(config), "2026-01-01", "2026-01-02")
    assert api.asked == []


@pytest.mark.parametrize(
    ("start", "end", "step", "said"),
    [("2026-01-02", "2026-01-02", None, "not before"), ("soon", "2026-01-02", None, "--from: 'soon' is not a date"),
     ("2026-01-01", "2026-01-02", "fast", "--step: 'fast' is no step of time")],
)  # fmt: skip
def test_a_span_that_is_none_is_refused(place: Any, start: str, end: str, step: str | None, said: str) -> None:
    with pytest.raises(InputError, match=said):
        backfill(place, place.file(incremental()), start, end, step=step)


def test_one_failed_window_of_many_is_asked_for_alone(place: Any, api: Any) -> None:
    file = place.file(incremental())
    broken = "since=2026-01-07"
    api.answer = lambda path, query: (500, {}) if query["since"] == broken[6:] else answer(path, query)
    failed = backfill(place, file, "2026-01-01", "2026-01-15", run_id="r")
    assert (failed.status, failed.exit_code) == ("failed", 1)
    assert failed.error.startswith("1 slices failed")
    assert "slice 2026-01-07" in failed.error
    assert ids(place) == of(*DAYS[:6], *DAYS[7:14])
    api.answer = answer
    api.asked.clear()
    assert place.resume("r").status == "done"
    assert api.asked == [f"/items?{broken}&until=2026-01-08"]
    assert ids(place) == of(*DAYS[:14])
    with pytest.raises(RunRefused):
        backfill(place, file, "2026-01-01", "2026-01-16", run_id="r")


def killed(place: Any, *arguments: str, at: str) -> None:
    """Run the command line until it is killed at a fault point."""
    command = [sys.executable, "-m", "headrace", *arguments, "--destination", place.url, "--state", str(place.state)]
    environ = {**os.environ, "HEADRACE_FAULT": f"{at}:kill"}
    done = subprocess.run(command, env=environ, capture_output=True, timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


@pytest.mark.crash
@pytest.mark.parametrize("at", ["commit.after_commit:2", "fetch.received:9", "commit.before_commit:2"])
def test_a_killed_backfill_goes_on_where_it_stood(place: Any, api: Any, at: str) -> None:
    file = place.file(incremental(commit_every=0.001))
    place.run(file)
    killed(place, "backfill", str(file), "--from", "2026-01-01", "--to", "2026-01-18", "--run-id", "r", at=at)
    committed = set(place.column("SELECT slice FROM headrace_checkpoints WHERE run_id = 'r' AND done"))
    api.asked.clear()
    assert place.resume("r").status == "done"
    assert ids(place) == of(*DAYS)
    assert place.column("SELECT count(*) FROM a_raw_pages WHERE run_id = 'r'") == [17]
    again = {part for path in api.asked for part in committed if f"since={part}T" in path}
    assert again == set(), "no committed window is asked for twice"
    api.asked.clear()
    place.run(file)
    assert api.asked == ["/items?since=2026-01-20T02%3A00%3A00Z"]


def fan_out(place: Any) -> Path:
    """Shows, and for each of their rows its cast."""
    path: Path = place.file(
        {"url": "/shows", "pagination": {"type": "none"}, "rate_limit": FAST,
         "tables": [{"table": "shows", "key": ["id"], "columns": {"id": "id"}}]},
        {"url": "/cast/{slice.id}", "pagination": {"type": "none"}, "rate_limit": FAST, "commit_every": 0.001,
         "slices": {"rows": "SELECT id FROM shows ORDER BY id", "concurrency": 4, "retry": 0},
         "tables": [{"table": "t", "key": ["id"], "columns": {"id": "id"}}]},
    )  # fmt: skip
    return path


def cast(shows: int, broken: frozenset[str] = frozenset()) -> Any:
    def answered(path: str, query: Mapping[str, str]) -> Any:
        if path == "/shows":
            return {"data": [{"id": n} for n in range(shows)]}
        return (500, {}) if path in broken else {"data": [{"id": path}]}

    return answered


@pytest.mark.crash
@pytest.mark.parametrize("at", ["commit.after_commit:3", "fetch.received:12"])
def test_a_killed_fan_out_keeps_to_the_rows_that_it_began_with(place: Any, api: Any, at: str) -> None:
    api.answer = cast(30)
    file = fan_out(place)
    killed(place, "run", str(file), "--run-id", "r", at=at)
    api.answer = cast(40)
    place.run(file, steps=["a"], run_id="other")
    assert place.column("SELECT count(*) FROM shows") == [40]
    committed = place.column("SELECT slice FROM headrace_checkpoints WHERE run_id = 'r' AND step = 'b' AND done")
    api.asked.clear()
    assert place.resume("r").status == "done"
    assert sorted(place.column("SELECT id FROM t")) == sorted(f"/cast/{n}" for n in range(30))
    assert not {f"/cast/{name}" for name in committed} & set(api.asked)


def test_of_many_slices_only_those_that_failed_are_asked_again(place: Any, api: Any) -> None:
    broken = frozenset(f"/cast/{n}" for n in (7, 93))
    api.answer = cast(120, broken)
    file = fan_out(place)
    assert place.run(file, run_id="r").status == "failed"
    assert place.column("SELECT name FROM headrace_slices WHERE status = 'failed' ORDER BY position") == ["7", "93"]
    api.answer = cast(120)
    api.asked.clear()
    assert place.resume("r").status == "done"
    assert sorted(api.asked) == sorted(broken)
    assert place.column("SELECT count(*) FROM t") == [120]
