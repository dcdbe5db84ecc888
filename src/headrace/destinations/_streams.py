"""Checkpoints and slices: where each stream of a run stands."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from headrace.core.tables import Checkpoint, SliceState, StreamKey
from headrace.destinations._base import SessionBase, as_json
from headrace.destinations._connection import Row


class Streams(SessionBase):
    """The streams of a session."""

    def checkpoint(self, key: StreamKey) -> Checkpoint | None:
        rows = self._optional("headrace_checkpoints", "checkpoint_read", (key.run_id, key.step, key.slice))
        return self._checkpoint(rows[0]) if rows else None

    def checkpoints(self, run_id: str) -> list[Checkpoint]:
        return [self._checkpoint(row) for row in self._optional("headrace_checkpoints", "checkpoints_read", (run_id,))]

    def _checkpoint(self, row: Row) -> Checkpoint:
        run_id, step, slice, number, cursor, done, attempt, rows, memo = row
        return Checkpoint(
            StreamKey(run_id, step, slice), number, json.loads(cursor), bool(done), attempt, rows, json.loads(memo)
        )

    def freeze_slices(self, run_id: str, step: str, slices: Iterable[SliceState]) -> int:
        with self.transaction("freezing slices"):
            have = int(self.db.do("slices_count", (run_id, step))[0][0])
            if have:
                return have
            columns = ("run_id", "step", "name", "position", "params", "status", "attempts", "error")
            source = iter(slices)
            while part := list(islice(source, 10_000)):
                rows = [
                    (
                        run_id,
                        step,
                        s.name,
                        s.position,
                        as_json(s.params),
                        s.status,
                        s.attempts,
                        self.db.safe_text(s.error),
                    )
                    for s in part
                ]
                self.db.insert("headrace_slices", columns, rows)
                have += len(part)
            return have

    def slices(
        self, run_id: str, step: str, *, status: Sequence[str] = (), after: int = -1, limit: int = 1000
    ) -> list[SliceState]:
        if status:
            params: tuple[Any, ...] = (run_id, step, after, *status, limit)
            rows = self.db.do("slices_read_status", params, marks=", ".join("?" * len(status)))
        else:
            rows = self.db.do("slices_read", (run_id, step, after, limit))
        return [SliceState(n, p, json.loads(params), s, a, e) for n, p, params, s, a, e in rows]
