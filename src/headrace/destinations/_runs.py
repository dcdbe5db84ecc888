"""Runs: their records, and the lease that one process holds while it works on one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from headrace.core import faults
from headrace.core.errors import RunIsHeld
from headrace.core.tables import RunRecord
from headrace.destinations._base import SessionBase, as_json
from headrace.destinations._connection import Row

COLUMNS = (
    "run_id", "pipeline", "org", "status", "params", "resolved", "request_hash", "mapping_hash", "scope", "now",
    "started_at", "finished_at", "rows", "pages", "requests", "error",
)  # fmt: skip
LAST = 10
"""So many runs of a pipeline may be resumed with what they had staged."""
_held: set[tuple[str, str]] = set()
"""(place, run) of every lease of this process."""


class Runs(SessionBase):
    """The runs of a session."""

    @contextmanager
    def lease(self, run_id: str, owner: str) -> Iterator[None]:
        """Hold ``run_id`` in this process, and in the database where several processes share it."""
        mine = (self.place, run_id)
        if mine in _held:
            raise RunIsHeld(
                f"run {run_id} is already being run by this process", hint="wait for it to end, or start another run"
            )
        with self._database_lease(run_id, owner):
            _held.add(mine)
            try:
                yield
            finally:
                _held.discard(mine)

    @contextmanager
    def _database_lease(self, run_id: str, owner: str) -> Iterator[None]:
        yield

    def run(self, run_id: str) -> RunRecord | None:
        rows = self._optional("headrace_runs", "run_read", (run_id,))
        return self._run_record(rows[0]) if rows else None

    def runs(self, *, pipeline: str | None = None, limit: int = 100) -> list[RunRecord]:
        rows = self._optional("headrace_runs", "runs_read", (pipeline or "", pipeline is None, limit))
        return [self._run_record(row) for row in rows]

    def resumable(self, run_id: str) -> bool:
        """Whether somebody may still go on with a run: it is held, or not done and among the last of its pipeline."""
        if (self.place, run_id) in _held:
            return True
        run = self.run(run_id)
        if run is None or run.status == "done":
            return False
        return any(each.run_id == run_id for each in self.runs(pipeline=run.pipeline, limit=LAST))

    def _run_record(self, row: Row) -> RunRecord:
        values = dict(zip(COLUMNS, row, strict=True))
        for name in ("params", "resolved"):
            values[name] = json.loads(values[name])
        for name in ("now", "started_at", "finished_at"):
            values[name] = self.db.micros(values[name])
        return RunRecord(**values)

    def save_run(self, run: RunRecord) -> None:
        faults.point("run.saved")
        values = {name: getattr(run, name) for name in COLUMNS}
        for name in ("params", "resolved"):
            values[name] = as_json(values[name])
        for name in ("now", "started_at", "finished_at"):
            values[name] = self.db.time(values[name])
        values["error"] = self.db.safe_text(values["error"])
        if not self.db.physical("headrace_runs"):
            self.prepare((), ())
        with self.transaction("the run's record"):
            self.db.do("run_delete", (run.run_id,))
            self.db.insert("headrace_runs", COLUMNS, [tuple(values.values())])
