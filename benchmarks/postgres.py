"""PostgreSQL: rows per CPU second beside dlt at its best settings; the server's CPU counts too."""

from __future__ import annotations

from common import HERE, Figure, Given, Outcome, dlt_python, headrace, in_turns, median, postgres, server, table

TOTAL, SIZE = 100_000, 100


def run(given: Given) -> Outcome:
    python = dlt_python()
    with postgres() as database, server(TOTAL, SIZE) as url:
        results = in_turns(given.rounds, {
            "headrace": lambda _: (headrace(HERE / "films.yml", database.new(), url), TOTAL),
            "dlt": lambda f: ([python, str(HERE / "dlt_run.py"), url, database.new(), str(f / "dlt")], TOTAL),
        }, database.cpu)  # fmt: skip
    ours, theirs = results["headrace"], results["dlt"]
    return Outcome(
        [
            Figure("postgres_rows_per_cpu_s_vs_dlt", median([t.cpu for t in theirs]) / median([t.cpu for t in ours]), 4, "least"),
            Figure("postgres_rows_per_s_vs_dlt", median([t.wall for t in theirs]) / median([t.wall for t in ours])),
            Figure("postgres_peak_mb_100k", max(t.peak for t in ours), 400),
        ],
        [f"{TOTAL:,} films of about 1.8 KB, {SIZE} a page, into PostgreSQL with a new server's settings:", "",
         *table(results, TOTAL)],
    )  # fmt: skip
