"""4,000,000 small records into one table: the share of the time that commits take."""

from __future__ import annotations

import pipelines
from common import Figure, Given, Outcome, folder, measure, say, server, watched

TOTAL, SIZE = 4_000_000, 1_000


def run(given: Given) -> Outcome:
    with server(TOTAL, SIZE, "--shape", "small") as url, folder() as where:
        taken = measure(watched(pipelines.small(where), f"duckdb:///{where}/items.duckdb", url), TOTAL)
    told = taken.told()
    commits, begun, wall = told["commits"], told["begun"], told["wall"]
    late = [(at, seconds) for at, seconds in commits if at > begun + 0.75 * wall]
    share = sum(seconds for _, seconds in commits) / wall
    say(f"{len(commits)} commits in {wall:.1f} s")
    return Outcome(
        [
            Figure("commit_share_4m_rows", share, 0.2, "below"),
            Figure("commit_share_4m_rows_last_quarter", sum(s for _, s in late) / (0.25 * wall), 0.2, "below"),
            Figure("peak_mb_4m_rows", taken.peak, 400),
        ],
        [f"{TOTAL:,} small records, {SIZE:,} a page, into DuckDB: {wall:.1f} s, {taken.cpu:.1f} CPU s, {len(commits)} commits of "
         f"{sum(s for _, s in commits) / len(commits):.2f} s on average."],
    )  # fmt: skip
