"""10,000 scattered updates: CPU in a table of 1,000,000 rows beside a table of 100,000."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pipelines
from common import Database, Figure, Given, Outcome, folder, measure, median, postgres, say, server, watched

UPDATES, SIZE = 10_000, 1_000
ROWS = (100_000, 1_000_000)


def run(given: Given) -> Outcome:
    figures = []
    lines = ["| | CPU s, 100,000 rows | CPU s, 1,000,000 rows | commits, s | commits, s |", "|---|---:|---:|---:|---:|"]
    with postgres() as database:
        targets: dict[str, Callable[[Path, int], str]] = {
            "duckdb": lambda f, rows: f"duckdb:///{f}/{rows}.duckdb",
            "sqlite": lambda f, rows: f"sqlite:///{f}/{rows}.db",
            "postgres": lambda f, rows: database.another(),
        }
        for name, target in targets.items():
            extra = database.cpu if name == "postgres" else None
            with folder() as where:
                few, many = _update({rows: target(where, rows) for rows in ROWS}, where, given.rounds, extra)
            cpu, seconds = ([median([one[at] for one in taken]) for taken in (few, many)] for at in (0, 1))
            lines.append(f"| {name} | {cpu[0]:.2f} | {cpu[1]:.2f} | {seconds[0]:.2f} | {seconds[1]:.2f} |")
            figures += [
                Figure(f"updates_1m_vs_100k_{name}", cpu[1] / cpu[0], 2),
                Figure(f"updates_commits_1m_vs_100k_{name}", seconds[1] / seconds[0]),
            ]
    return Outcome(figures, [f"{UPDATES:,} records, {SIZE:,} a page, merged by key; without start-up:", "", *lines])


def _update(
    targets: dict[int, str], where: Path, rounds: int, extra_cpu: Callable[[], float] | None
) -> list[list[tuple[float, float]]]:
    """For each table: CPU seconds and commit seconds of each round of updates."""
    pipeline = pipelines.small(where, incremental=True)
    found: list[list[tuple[float, float]]] = [[] for _ in targets]
    for rows, target in targets.items():
        with server(rows, SIZE, "--shape", "small") as url:
            taken = measure(watched(pipeline, target, url), rows)
        say(f"{target}: {rows:,} rows in {taken.wall:.1f} s")
        if target.startswith("postgres"):
            Database.settle(target)
    for turn in range(1, rounds + 1):
        for taken_here, (rows, target) in zip(found, targets.items(), strict=True):
            options = ("--shape", "small", "--stride", rows // UPDATES, "--version", turn)
            with contextlib.redirect_stdout(None), server(UPDATES, SIZE, *options) as url:
                before = extra_cpu() if extra_cpu else 0.0
                told = measure(watched(pipeline, target, url), UPDATES).told()
            served = extra_cpu() - before if extra_cpu else 0.0
            taken_here.append((told["cpu"] + served, sum(seconds for _, seconds in told["commits"])))
            say(f"{rows:9,} rows: {taken_here[-1][0]:.2f} CPU s, commits {taken_here[-1][1]:.2f} s")
    return found
