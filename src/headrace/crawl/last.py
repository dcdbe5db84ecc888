"""What the crawls before this one left behind."""

from __future__ import annotations

from collections.abc import Sequence

from headrace.core.contracts import Session
from headrace.core.tables import StreamKey
from headrace.crawl.context import LastComplete
from headrace.crawl.extract import FINISHED

_LOOKED_AT = 1000
"""Runs of a pipeline that are looked through, the latest first."""


def last_complete(
    session: Session, steps: Sequence[str], *, pipeline: str, org: str, scope: str, before: int, run_id: str = ""
) -> dict[str, LastComplete]:
    """By step: the finish of the latest other run of this scope that completed it before ``before``. Not one that
    completed it since: a resumed run would ask from another mark than it began with."""
    found: dict[str, LastComplete] = {}
    for run in session.runs(pipeline=pipeline, limit=_LOOKED_AT):
        if (run.scope, run.org) != (scope, org) or run.run_id == run_id:
            continue
        if "backfill" in run.resolved:  # a part, whatever it found
            continue
        for step in steps:
            at = session.checkpoint(StreamKey(run.run_id, step, FINISHED)) if step not in found else None
            if at is not None and at.memo.get("at", 0) <= before:
                found[step] = LastComplete(run.run_id, at.rows, at.memo.get("mark"), at.page_number)
        if len(found) == len(steps):
            break
    return found
