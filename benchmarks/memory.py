"""Peak memory: by the crawl's length, by the page's size, and with many slices."""

from __future__ import annotations

from pathlib import Path

import pipelines
from common import HERE, Figure, Given, Outcome, Taken, folder, headrace, measure, say, server

FILMS = HERE / "films.yml"
A_MEGABYTE, A_HUNDRED = 585, 58_500
"""Films on a page of 1 MB and of 100 MB."""
SLICES = 10_000


def run(given: Given) -> Outcome:
    long = 100_000 if given.quick else 1_000_000
    short = long // 10
    found = {
        f"{short:,} films, 100 a page": _crawl(FILMS, short, 100),
        f"{long:,} films, 100 a page": _crawl(FILMS, long, 100),
        f"{short:,} films, pages of 1 MB": _crawl(FILMS, short, A_MEGABYTE),
    }
    brief, whole, broad = found.values()
    found["20,000 films, 100 a page"] = first = _crawl(FILMS, 20_000, 100)
    found["200,000 films, 100 a page"] = tenfold = _crawl(FILMS, 200_000, 100)
    figures = [
        Figure("peak_200k_vs_20k", tenfold.peak / first.peak, 1.1),
        Figure(f"peak_mb_{long // 1000}k", whole.peak, 400),
        Figure(f"peak_{long // 1000}k_vs_{short // 1000}k", whole.peak / brief.peak, 1.1),
        Figure("peak_mb_pages_of_1mb", broad.peak, 400),
    ]
    if not given.quick:
        found["1 page of 100 MB"] = huge = _crawl(FILMS, A_HUNDRED, A_HUNDRED)
        found[f"{SLICES // 10:,} slices"] = few = _slices(SLICES // 10)
        found[f"{SLICES:,} slices"] = many = _slices(SLICES)
        figures += [
            Figure("peak_mb_page_of_100mb", huge.peak, 400 + 4 * 100),
            Figure("peak_mb_10k_slices", many.peak, 400),
            Figure("peak_10k_vs_1k_slices", many.peak / few.peak, 1.1),
        ]
    lines = [f"| {name} | {taken.peak:.0f} | {taken.cpu:.1f} | {taken.wall:.1f} |" for name, taken in found.items()]
    return Outcome(figures, ["| crawl into DuckDB | peak MB | CPU s | wall s |", "|---|---:|---:|---:|", *lines])


def _crawl(pipeline: Path, total: int, size: int, *options: str) -> Taken:
    with server(total, size, *options) as url, folder() as where:
        taken = measure(headrace(pipeline, f"duckdb:///{where}/films.duckdb", url), total)
    say(f"{taken.peak:.0f} MB, {taken.cpu:.1f} CPU s, {taken.wall:.1f} s")
    return taken


def _slices(count: int) -> Taken:
    with folder() as where:
        return _crawl(pipelines.sliced(where, count), count * 10, 10, "--shape", "small")
