"""What SQL steps make of rebuilt tables: made anew, with the values of the run that made it last."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from headrace.core.contracts import Capabilities, Session
from headrace.core.errors import HeadraceError
from headrace.core.tables import Group, RunRecord, StreamKey
from headrace.core.templates import Lookup
from headrace.crawl.extract import FINISHED
from headrace.pipeline.model import PipelineStep
from headrace.pipeline.sql import lineage
from headrace.pipeline.variables import Variables
from headrace.runner.found import Found
from headrace.steps.generic.sql_transformer import SqlTransformer


class Remade:
    """The SQL steps that read, directly or through others, what a replay rebuilds. What a step overwrites (or a view)
    is made anew, in a commit of its own; what it adds to in each run stays."""

    def __init__(self, found: Found, session: Session, capabilities: Capabilities) -> None:
        self._found, self._session, self._capabilities = found, session, capabilities
        runs = session.runs(pipeline=found.pipeline.pipeline_id, limit=1_000_000)
        self._runs = sorted(runs, key=lambda run: (run.started_at, run.run_id), reverse=True)
        self._steps: list[tuple[PipelineStep, RunRecord]] = []
        self.anew: list[str] = []
        self.stays: list[str] = []
        self._choose()

    def _choose(self) -> None:
        steps = {entry.step: entry for entry in self._found.pipeline.steps}
        rebuilt = None if self._found.tables is None else {name.lower() for name in self._found.tables}
        for made in lineage(self._found.pipeline.steps):
            if rebuilt is not None and not rebuilt & {name.lower() for name in made.sources}:
                continue
            run = next((run for run in self._runs if self._finished(run, made.step) is not None), None)
            if run is None:  # no run has come to it yet
                continue
            table = self._capabilities.fold(made.table)
            if made.write in ("append", "merge"):
                self.stays.append(table)
                continue
            self.anew.append(table)
            self._steps.append((steps[made.step], run))
            if rebuilt is not None:
                rebuilt.add(made.table.lower())

    def _finished(self, run: RunRecord, step: str) -> Any:
        return self._session.checkpoint(StreamKey(run.run_id, step, FINISHED))

    def run(self) -> None:
        """Do it, in the file's order. Raises HeadraceError for a SELECT that does not fit the rebuilt tables."""
        from headrace.steps.generic._transform import as_transform

        for entry, run in self._steps:
            assert isinstance(entry.config, SqlTransformer)
            try:
                made = as_transform(entry.config, entry.step, self._session, self._capabilities, self._lookup(run))
                self._session.commit(Group(run_id=run.run_id, scope=run.scope, transform=made))
            except HeadraceError as error:
                error.hint = "the tables are rebuilt; this one is as it was, and so are those behind it"
                error.place = error.place if error.place.startswith("step ") else f"step {entry.step}"
                raise

    def _lookup(self, run: RunRecord) -> Lookup:
        pipeline = self._found.pipeline
        variables = Variables.of_record(pipeline, run.params, run.org, run.resolved.get("environment"), os.environ)
        results: dict[str, Mapping[str, Any]] = {}
        for entry in pipeline.steps:
            if (done := self._finished(run, entry.step)) is not None:
                results[entry.step] = {"rows_extracted": done.rows, "status": "SUCCESS"}
        return variables.lookup(run_id=run.run_id, now=run.now, steps=results)
