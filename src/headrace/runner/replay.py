"""Rebuild tables from the archive: every kept run, in order, through the mapping as it is now."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, overload

from headrace.core.contracts import Capabilities, Session
from headrace.core.events import EventSink
from headrace.destinations import from_url
from headrace.pipeline.load import DEFAULT_DESTINATION, draft, from_resolved
from headrace.pipeline.model import Pipeline
from headrace.runner.difference import TableDifference, compare
from headrace.runner.found import Found, check_organisation, find, tables_of
from headrace.runner.refill import Refill
from headrace.runner.remade import Remade
from headrace.runner.sinks import Fanout


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """What was rebuilt: rows by table, and the pages it was made from. Replay makes no request."""

    tables: Mapping[str, int]
    pages: int
    runs: Sequence[str]
    requests: int = 0
    rejected: int = 0
    differences: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Rows by table before and after."""
    stays: Sequence[str] = ()
    """Tables that SQL steps add to in each run: what they held then cannot be told any more, so they stay."""


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """What a replay would do: how each table would differ from what it holds now. Nothing was written."""

    tables: Sequence[TableDifference]
    pages: int
    runs: Sequence[str]
    left: Sequence[str] = ()
    """Tables that earlier runs filled and the mapping does not name: they would stay as they are."""
    anew: Sequence[str] = ()
    """Tables and views that SQL steps would make anew from the rebuilt ones."""
    stays: Sequence[str] = ()
    """Tables that SQL steps add to in each run: they would stay as they are."""

    @property
    def changes(self) -> bool:
        """Whether anything would be another than it is."""
        return any(table.differs for table in self.tables)


@overload
def replay(
    what: str, *, pipeline_file: str | Path | None = ..., destination: str | None = ...,
    sinks: Sequence[EventSink] = ..., plan: Literal[False] = ...,
) -> ReplayResult: ...  # fmt: skip
@overload
def replay(
    what: str, *, pipeline_file: str | Path | None = ..., destination: str | None = ...,
    sinks: Sequence[EventSink] = ..., plan: Literal[True],
) -> ReplayPlan: ...  # fmt: skip
def replay(
    what: str,
    *,
    pipeline_file: str | Path | None = None,
    destination: str | None = None,
    sinks: Sequence[EventSink] = (),
    plan: bool = False,
) -> ReplayResult | ReplayPlan:
    """Rebuild the tables of ``what`` from the archive, without one request, and exchange them at once.

    ``what`` is a built-in pipeline, a pipeline file, the id of a pipeline or run in the destination, or a
    table. The mapping is that of the file where there is one (``pipeline_file``, or ``what`` itself), else
    that of the latest run. A run id rebuilds only tables that this run alone filled, and those that append
    or replace. Raises ArchiveMissing where raw pages were purged or never kept, InputError for an unknown
    name; the old tables stay as they are then.

    ``plan`` rebuilds them in a scratch database instead, and gives the difference to what the tables hold now. The
    destination is opened for reading only.
    """
    file = pipeline_file or (what if _is_source(what) else None)
    loaded = draft(file) if file is not None else None
    url = destination or _destination(loaded.pipeline if loaded else None)
    target = from_url(url)
    with target.open(read_only=plan) as session:
        found = find(what, loaded.pipeline if loaded else None, session, url)
        check_organisation(found.runs, what)
        capabilities = target.capabilities()
        if plan:
            return _plan(found, session, capabilities)
        return _run(found, session, capabilities, Fanout(sinks))


def _is_source(what: str) -> bool:
    from headrace import pipelines

    return what in pipelines.names() or Path(what).suffix in (".yml", ".yaml")


def _destination(pipeline: Pipeline | None) -> str:
    environ = os.environ
    named = pipeline.destination if pipeline is not None else None
    return named or environ.get("HEADRACE_DESTINATION") or environ.get("DATABASE_URL") or DEFAULT_DESTINATION


def _run(found: Found, session: Session, capabilities: Capabilities, sink: Fanout) -> ReplayResult:
    refill = Refill(found, session, capabilities, sink)
    specs, remade = refill.specs(), Remade(found, session, capabilities)
    tables = [*(spec.name for spec in specs), *remade.anew]
    before = {name: _count(session, name) for name in tables}
    with session.rebuild(specs) as inner:
        refill.fill(inner)
    remade.run()
    after = {name: _count(session, name) for name in tables}
    return ReplayResult(
        tables=after,
        pages=refill.pages,
        runs=[run.run_id for run in found.runs],
        rejected=refill.rejected,
        differences={name: {"before": before[name], "after": after[name]} for name in after},
        stays=remade.stays,
    )


def _plan(found: Found, session: Session, capabilities: Capabilities) -> ReplayPlan:
    refill = Refill(found, session, capabilities, Fanout(()))
    specs = refill.specs()
    with session.rehearse([spec.name for spec in specs]) as scratch:
        with scratch.rebuild(specs) as inner:
            refill.fill(inner)
        tables = [compare(spec, session, scratch, capabilities.limits.max_name) for spec in specs]
    made = {spec.name for spec in specs}
    filled = {capabilities.fold(table) for run in found.runs for table in tables_of(from_resolved(run.resolved))}
    left = sorted(filled - made) if found.tables is None else []
    remade = Remade(found, session, capabilities)
    return ReplayPlan(tables, refill.pages, [run.run_id for run in found.runs], left, remade.anew, remade.stays)


def _count(session: Session, table: str) -> int:
    if not session.columns(table):
        return 0
    quoted = table.replace('"', '""')
    return sum(batch.column(0)[0].as_py() for batch in session.query(f'SELECT count(*) FROM "{quoted}"'))
