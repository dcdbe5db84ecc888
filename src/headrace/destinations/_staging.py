"""Staging tables: the rows of a run that takes effect only when it is complete."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from headrace.core.errors import CommitFailed
from headrace.core.tables import PAGE, RECORD
from headrace.core.types import ColumnType
from headrace.destinations._connection import Connection
from headrace.destinations._layout import Layout
from headrace.destinations._sql import quote
from headrace.destinations._tables import Tables, unstaged_columns


class Staging:
    """The staging tables of a connection; every method runs inside the caller's transaction.

    ``headrace_staging`` knows whose rows a staging table holds (``active``), and whose rows it once held
    (``lost``), so that a run which comes back late is told rather than taken for complete.
    """

    def __init__(self, db: Connection, tables: Tables) -> None:
        self.db, self.tables = db, tables

    def replace(self, layout: Layout, run_id: str, have: Mapping[str, ColumnType]) -> str:
        """The table that collects a ``replace`` table's rows until the run is complete."""
        staging = layout.replace_staging(run_id)
        self._claim(layout, staging, run_id)
        self.tables.match(staging, {**have, PAGE: "bigint", RECORD: "bigint"}, layout.spec.key)
        return staging

    def sync(self, layout: Layout, run_id: str, have: Mapping[str, ColumnType]) -> str:
        """The staging table of a ``sync`` table, emptied when a run first writes to it."""
        staging, extra = layout.sync_staging, unstaged_columns(layout)
        wanted = {n: t for n, t in have.items() if n not in extra}
        if layout.spec.provenance:
            wanted |= {PAGE: "bigint", RECORD: "bigint"}
        self.tables.match(staging, wanted, layout.spec.key)
        if self._claim(layout, staging, run_id):
            self.db.do("empty_table", table=quote(staging))
        return staging

    def target(self, layout: Layout, run_id: str, have: Mapping[str, ColumnType]) -> str:
        """The table that a run's rows go into: the table itself or what stands for it."""
        if layout.spec.write == "replace":
            return self.replace(layout, run_id, have)
        return self.sync(layout, run_id, have) if layout.spec.write == "sync" else layout.name

    def forget(self, staging: str, run_id: str) -> None:
        """The run is complete: it needs nothing any more."""
        self.db.do("staging_forget", (staging, run_id))

    def sweep(self, layout: Layout, keep: Callable[[str], bool]) -> None:
        """Drop what runs have staged for a table that nobody will resume; ``keep`` says which may be."""
        for staging, run_id, state in self.db.do("staging_all"):
            if state != "active" or staging not in self._names(layout, run_id) or keep(run_id):
                continue
            if layout.spec.write == "replace":
                self.db.do("drop_table", table=quote(staging))
            else:  # one table for all runs
                self.db.do("empty_table", table=quote(staging))
            self.db.do("staging_lose", (staging, run_id))

    def discard(self, layout: Layout) -> None:
        """Drop all that was ever staged for a table, and forget about it."""
        for staging, run_id, _ in self.db.do("staging_all"):
            if staging in self._names(layout, run_id):
                self.db.do("drop_table", table=quote(staging))
                self.forget(staging, run_id)

    def move(self, draft: Layout, target: Layout) -> None:
        """A ``sync`` table's rebuilt staging table takes the place of the old one: it holds what the rebuild
        staged, and no other run's rows."""
        self.db.do("staging_overtake", (target.sync_staging,))
        for staging, run_id, state in self.db.do("staging_all"):
            if staging == draft.sync_staging:
                self.forget(staging, run_id)
                self.forget(target.sync_staging, run_id)
                self._note(target.sync_staging, run_id, str(state))

    @staticmethod
    def _names(layout: Layout, run_id: str) -> tuple[str, ...]:
        write = layout.spec.write
        if write == "replace":
            return (layout.replace_staging(run_id),)
        return (layout.sync_staging,) if write == "sync" else ()

    def _claim(self, layout: Layout, staging: str, run_id: str) -> bool:
        """Note that ``staging`` holds this run's rows; whether it is new to it."""
        state = self.db.do("staging_state", (staging, run_id))
        if state == [("lost",)]:
            raise CommitFailed(
                f"{staging} was emptied since, and what run {run_id} had staged in it is gone",
                place=f"table {layout.spec.name}", hint="start a new run: its rows are asked for again",
            )  # fmt: skip
        if state:
            return False
        self.db.do("staging_overtake", (staging,))
        self._note(staging, run_id, "active")
        return True

    def _note(self, staging: str, run_id: str, state: str) -> None:
        self.db.insert("headrace_staging", ("table", "run_id", "state"), [(staging, run_id, state)])
