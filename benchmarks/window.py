"""100 ms a page, 16 requests in flight: how much faster than one after the other."""

from __future__ import annotations

import pipelines
from common import Figure, Given, Outcome, folder, headrace, in_turns, median, server, table

PAGES, SIZE, LATENCY, IN_FLIGHT = 800, 20, 100, 16


def run(given: Given) -> Outcome:
    total = PAGES * SIZE
    with server(total, SIZE, "--shape", "small", "--latency", LATENCY) as url, folder() as where:
        one, many = pipelines.paged(where, 1), pipelines.paged(where, IN_FLIGHT)
        results = in_turns(given.rounds, {
            f"{IN_FLIGHT} in flight": lambda f: (headrace(many, f"duckdb:///{f}/items.duckdb", url), total),
            "sequential": lambda f: (headrace(one, f"duckdb:///{f}/items.duckdb", url), total),
        })  # fmt: skip
    windowed, sequential = (median([t.wall for t in taken]) for taken in results.values())
    return Outcome(
        [Figure("window_of_16_vs_sequential", sequential / windowed, 12, "least")],
        [f"{PAGES} pages of {SIZE} small records, {LATENCY} ms each, by page number, start-up counted:", "",
         *table(results, total)],
    )  # fmt: skip
