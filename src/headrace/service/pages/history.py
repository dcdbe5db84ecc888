"""What past runs say together: how long, how many rows, how often they ended well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from headrace.service.pages.views import RunView

SHOWN = 60
"""Runs in a plot."""


@dataclass(frozen=True, slots=True)
class History:
    """Ended runs, oldest first, with the figures over them. ``seconds`` is the median of those that are done."""

    runs: Sequence[RunView]
    done: int
    seconds: float | None
    rows: int
    requests: int


def history(runs: Sequence[RunView]) -> History:
    """``runs`` are newest first; those under way are left out."""
    ended = [run for run in runs if not run.active and run.seconds is not None][:SHOWN][::-1]
    done = [run for run in ended if run.status == "done"]
    return History(
        runs=ended,
        done=len(done),
        seconds=median(run.seconds or 0.0 for run in done) if done else None,
        rows=sum(run.rows for run in ended),
        requests=sum(run.requests for run in ended),
    )
