"""What a name in a database means to a replay: which runs, through which mapping, into which tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headrace.core.contracts import Session
from headrace.core.errors import InputError, NotSupported
from headrace.core.organisations import asking, check_owner
from headrace.core.suggest import did_you_mean
from headrace.core.tables import RunRecord
from headrace.pipeline.load import from_resolved
from headrace.pipeline.model import Pipeline
from headrace.steps.generic.api_extractor import ApiExtractor


@dataclass(frozen=True, slots=True)
class Found:
    """What is replayed: these runs, in order, through this pipeline."""

    pipeline: Pipeline
    runs: Sequence[RunRecord]
    tables: frozenset[str] | None
    """Only these; ``None``: all."""


def find(what: str, pipeline: Pipeline | None, session: Session, url: str) -> Found:
    """``what`` is a run, a pipeline or a table of the database at ``url``; ``pipeline`` is the mapping, where one was
    given. Raises InputError for a name that is none of them, NotSupported for a run that did not fill its tables alone."""
    runs = sorted(session.runs(limit=1_000_000), key=lambda run: (run.started_at, run.run_id))
    by_id = {run.run_id: run for run in runs}
    if what in by_id:
        check_owner(what, by_id[what].org, asking())
        mapping = pipeline or from_resolved(by_id[what].resolved)
        _only_its_own(by_id[what], mapping)
        return Found(mapping, [by_id[what]], None)
    name = pipeline.pipeline_id if pipeline is not None else what
    mine = [run for run in runs if run.pipeline == name]
    if not mine and name != what and (stored := [run for run in runs if run.pipeline == what]):
        # A built-in pipeline has the same name, but this one has been run here.
        return Found(from_resolved(stored[-1].resolved), stored, None)
    if mine:
        return Found(pipeline or from_resolved(mine[-1].resolved), mine, None)
    tables: dict[str, RunRecord] = {}
    for run in runs:
        tables |= dict.fromkeys(tables_of(from_resolved(run.resolved)), run)
    if what in tables:
        mapping = from_resolved(tables[what].resolved)
        mine = [run for run in runs if run.pipeline == mapping.pipeline_id]
        return Found(mapping, mine, frozenset({what}))
    known = sorted({run.pipeline for run in runs} | set(tables))
    raise InputError(
        f"{url} has no run, pipeline or table {name!r} to replay{did_you_mean(name, known)}",
        hint=f"it has: {', '.join(known) or 'no run yet'}",
    )


def check_organisation(runs: Sequence[RunRecord], what: str) -> None:
    """Raises InputError where another organisation than the one that asks has one of these runs: a replay writes the rows
    of all of them anew, through one mapping."""
    asked = asking()
    if asked is not None and any(run.org != asked for run in runs):
        raise InputError(
            f"{what} is not organisation {asked!r}'s alone: a replay would rebuild the rows of others too",
            hint="who may do that does it without HEADRACE_ORG",
        )


def tables_of(pipeline: Pipeline) -> list[str]:
    """The tables that a pipeline extracts."""
    found: list[str] = []
    for entry in pipeline.steps:
        if isinstance(entry.config, ApiExtractor):
            config = entry.config
            found += [t.table for t in config.tables] or ([config.destination.table] if config.destination else [])
    return found


def _only_its_own(run: RunRecord, pipeline: Pipeline) -> None:
    for entry in pipeline.steps:
        if isinstance(entry.config, ApiExtractor):
            for table in entry.config.tables:
                if table.disposition not in ("append", "replace"):
                    raise NotSupported(
                        f"{table.table} is written by {table.disposition}: its rows come from all runs together",
                        hint=f"replay the whole pipeline: headrace replay {pipeline.pipeline_id}",
                    )
