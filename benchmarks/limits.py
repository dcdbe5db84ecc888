"""Against a token bucket for 30 s: the share of the rate that was used, and refusals; alone and as two processes."""

from __future__ import annotations

import os

import pipelines
from common import Figure, Given, Outcome, finish, folder, headrace, sandbox, say, start, stats

SECONDS = 30
RATES = (10, 50)
"""Requests a second that the bucket allows; it holds ten."""


def run(given: Given) -> Outcome:
    os.environ["BENCH_API_KEY"] = "a-key-of-the-benchmark"
    figures, lines = [], ["| requests a second | processes | used | answered 429 |", "|---:|---:|---:|---:|"]
    for rate, processes in [*((rate, 1) for rate in RATES), (RATES[-1], 2)]:
        share, refused = _share(rate, processes)
        lines.append(f"| {rate} | {processes} | {share:.3f} | {refused} |")
        say(lines[-1])
        name = f"rate_{rate}" if processes == 1 else f"rate_{rate}_two_processes"
        figures += [
            Figure(f"{name}_share", share, 0.98 if processes == 1 else 0.9, "least"),
            Figure(f"{name}_refused", refused, 0),
        ]
    return Outcome(figures, lines)


def _share(rate: int, processes: int) -> tuple[float, int]:
    """Requests that the sandbox got from the first to the last, per second that it allows; how many it refused."""
    pages = rate * SECONDS // processes
    with sandbox("--rate", rate) as url, folder() as where:
        pipeline = pipelines.limited(where, {"requests_per_second": rate}, pages)
        runs = [start(headrace(pipeline, f"duckdb:///{where}/{number}.duckdb", url)) for number in range(processes)]
        for one in runs:
            finish(one, (pages - 1) * 10)
        found = stats(url)
    refused = found["by_status"].get("429", 0)
    return (found["requests"] - refused - 1) / (found["last"] - found["first"]) / rate, refused
