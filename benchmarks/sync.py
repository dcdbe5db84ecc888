"""``write: sync``: CPU of a second crawl of unchanged data beside the first."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pipelines
from common import Figure, Given, Outcome, folder, headrace, measure, median, postgres, say, server

TOTAL, SIZE = 100_000, 1_000


def run(given: Given) -> Outcome:
    cpu: dict[str, list[tuple[float, float]]] = {}
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(server(TOTAL, SIZE, "--shape", "small"))
        database = stack.enter_context(postgres())
        targets: dict[str, Callable[[Path], str]] = {
            "duckdb": lambda f: f"duckdb:///{f}/items.duckdb",
            "sqlite": lambda f: f"sqlite:///{f}/items.db",
            "postgres": lambda _: database.new(),
        }
        for _ in range(given.rounds):
            for name, target in targets.items():
                with folder() as where:
                    command = headrace(pipelines.small(where, write="sync"), target(where), url)
                    server_cpu = database.cpu if name == "postgres" else None
                    first, second = (measure(command, extra_cpu=server_cpu) for _ in range(2))
                say(f"{name:9} first {first.cpu:5.2f} CPU s, second {second.cpu:5.2f} CPU s")
                cpu.setdefault(name, []).append((first.cpu, second.cpu))
    figures, lines = [], ["| | first, CPU s | second, CPU s |", "|---|---:|---:|"]
    for name, pairs in cpu.items():
        first_cpu, second_cpu = (median(list(values)) for values in zip(*pairs, strict=True))
        lines.append(f"| {name} | {first_cpu:.2f} | {second_cpu:.2f} |")
        figures.append(Figure(f"sync_again_vs_first_{name}", second_cpu / first_cpu, 1))
    return Outcome(figures, [f"{TOTAL:,} small records, {SIZE:,} a page, start-up counted:", "", *lines])
