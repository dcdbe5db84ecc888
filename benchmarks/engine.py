"""DuckDB: CPU beside curl + read_json and beside dlt at its best settings."""

from __future__ import annotations

import sys

from common import HERE, Figure, Given, Outcome, dlt_python, headrace, in_turns, median, server, table

SIZE = 100


def run(given: Given) -> Outcome:
    total = 20_000 if given.quick else 100_000
    python, pages = dlt_python(), total // SIZE
    with server(total, SIZE) as url:
        results = in_turns(given.rounds, {
            "headrace": lambda f: (headrace(HERE / "films.yml", f"duckdb:///{f}/headrace.duckdb", url), total),
            "curl": lambda f: (["curl", "-s", f"{url}/shows?cursor=[0-{pages - 1}]", "-o", "/dev/null"], None),
            "curl + read_json": lambda f: (
                [sys.executable, str(HERE / "floor.py"), url, str(pages), str(f / "floor.duckdb"), str(f)], total),
            "dlt": lambda f: ([python, str(HERE / "dlt_run.py"), url, f"duckdb:///{f}/dlt.duckdb", str(f / "dlt")], total),
        })  # fmt: skip
    cpu = {name: median([t.cpu for t in taken]) for name, taken in results.items()}
    wall = {name: median([t.wall for t in taken]) for name, taken in results.items()}
    return Outcome(
        [
            Figure("cpu_vs_read_json", cpu["headrace"] / cpu["curl + read_json"], 1.6),
            Figure("wall_vs_read_json", wall["headrace"] / wall["curl + read_json"]),
            Figure("rows_per_cpu_s_vs_dlt", cpu["dlt"] / cpu["headrace"], 4, "least"),
            Figure("rows_per_s_vs_dlt", wall["dlt"] / wall["headrace"]),
            Figure(f"peak_mb_{total // 1000}k", max(t.peak for t in results["headrace"]), 400),
        ],
        [f"{total:,} films of about 1.8 KB, {SIZE} a page, into a DuckDB file:", "", *table(results, total)],
    )
