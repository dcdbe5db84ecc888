"""100 ms a page, one after the other: wall time beside pages x latency, and how soon rows can be read."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pipelines
from common import Figure, Given, Outcome, Started, finish, folder, server, start, watched

PAGES, SIZE, LATENCY = 600, 100, 100


def run(given: Given) -> Outcome:
    with server(PAGES * SIZE, SIZE, "--shape", "small", "--latency", LATENCY) as url, folder() as where:
        pipeline = pipelines.small(where)
        duckdb = finish(start(watched(pipeline, f"duckdb:///{where}/items.duckdb", url)))
        file = where / "items.db"
        reading = start(watched(pipeline, f"sqlite:///{file}", url))
        seen = _watch(file, reading)
        sqlite = finish(reading)
    shown = _lag(seen, sqlite.told()["arrived"])
    ideal = PAGES * LATENCY / 1000
    return Outcome(
        [
            Figure("wall_vs_pages_x_latency", duckdb.wall / ideal, 1.05),
            Figure("wall_vs_pages_x_latency_sqlite", sqlite.wall / ideal, 1.05),
            Figure("seconds_until_committed", duckdb.told()["lag"], 2),
            Figure("seconds_until_read_by_another", shown, 2),
        ],
        [f"{PAGES} pages of {SIZE} small records, {LATENCY} ms each, start-up counted: {ideal:.0f} s at best, {duckdb.wall:.2f} s "
         f"into DuckDB, {sqlite.wall:.2f} s into SQLite, whose file another process reads meanwhile."],
    )  # fmt: skip


def _watch(file: Path, reading: Started) -> list[tuple[float, int]]:
    """Ask another connection how many rows there are, until the crawl has ended; whenever there are more."""
    seen = [(0.0, 0)]
    connection: sqlite3.Connection | None = None
    while reading.process.poll() is None if seen[-1][1] < PAGES * SIZE else False:
        time.sleep(0.02)
        if connection is None and file.exists():
            connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
        try:
            count = connection.execute("SELECT count(*) FROM items").fetchone()[0] if connection else 0
        except sqlite3.OperationalError:  # not made yet
            continue
        if count > seen[-1][1]:
            seen.append((time.monotonic(), count))
    return seen


def _lag(seen: list[tuple[float, int]], arrived: list[float]) -> float:
    """The longest from a page's arrival until its rows were read."""
    longest, step = 0.0, iter(seen)
    at, rows = next(step)
    for page, came in enumerate(arrived, 1):
        while rows < page * SIZE:
            at, rows = next(step)
        longest = max(longest, at - came)
    return longest
