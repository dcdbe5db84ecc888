"""10,000 slices of one request each, 20 ms a request, 16 in flight: wall time beside a bare aiohttp client."""

from __future__ import annotations

import sys

import pipelines
from common import HERE, Figure, Given, Outcome, folder, headrace, in_turns, median, server, table

SLICES, SIZE, LATENCY, IN_FLIGHT = 10_000, 10, 20, 16


def run(given: Given) -> Outcome:
    slices = SLICES // 10 if given.quick else SLICES
    total = slices * SIZE
    with server(total, SIZE, "--shape", "small", "--latency", LATENCY) as url, folder() as where:
        sliced = pipelines.sliced(where, slices, IN_FLIGHT)
        results = in_turns(given.rounds, {
            "headrace": lambda f: (headrace(sliced, f"duckdb:///{f}/items.duckdb", url), total),
            "bare aiohttp": lambda f: (
                [sys.executable, str(HERE / "bare.py"), url, str(slices), str(IN_FLIGHT)], total),
        })  # fmt: skip
    ours, bare = (median([t.wall for t in taken]) for taken in results.values())
    count = f"{slices // 1000}k"
    return Outcome(
        [
            Figure(f"wall_{count}_slices_vs_bare_client", ours / bare, 1.3),
            Figure(f"peak_mb_{count}_slices_at_{LATENCY}_ms", max(t.peak for t in results["headrace"]), 400),
        ],
        [f"{slices:,} slices of {SIZE} small records, {LATENCY} ms each, {IN_FLIGHT} in flight into DuckDB, start-up counted; "
         f"the bare client reads the same answers and keeps nothing: {slices * LATENCY / 1000 / IN_FLIGHT:.1f} s at best.", "",
         *table(results, total)],
    )  # fmt: skip
