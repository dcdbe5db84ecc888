"""SQLite: rows per CPU second beside dlt at its best settings."""

from __future__ import annotations

from common import HERE, Figure, Given, Outcome, dlt_python, headrace, in_turns, median, server, table

TOTAL, SIZE = 100_000, 100


def run(given: Given) -> Outcome:
    python = dlt_python()
    with server(TOTAL, SIZE) as url:
        results = in_turns(given.rounds, {
            "headrace": lambda f: (headrace(HERE / "films.yml", f"sqlite:///{f}/films.db", url), TOTAL),
            "dlt": lambda f: ([python, str(HERE / "dlt_run.py"), url, f"sqlite:///{f}/dlt.db", str(f / "dlt")], TOTAL),
        })  # fmt: skip
    ours, theirs = results["headrace"], results["dlt"]
    return Outcome(
        [
            Figure("sqlite_rows_per_cpu_s_vs_dlt", median([t.cpu for t in theirs]) / median([t.cpu for t in ours]), 3, "least"),
            Figure("sqlite_rows_per_s_vs_dlt", median([t.wall for t in theirs]) / median([t.wall for t in ours])),
            Figure("sqlite_peak_mb_100k", max(t.peak for t in ours), 400),
        ],
        [f"{TOTAL:,} films of about 1.8 KB, {SIZE} a page, into a SQLite file:", "",
         *table(results, TOTAL)],
    )  # fmt: skip
