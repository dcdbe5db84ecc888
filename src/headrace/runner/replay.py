"""Rebuild tables from the archive: every kept run, in order, through the mapping as it is now."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, overload

from headrace.core import events
from headrace.core.contracts import Capabilities, Session
from headrace.core.errors import AnswerError, ArchiveMissing, ContractBroken, InputError, NotSupported
from headrace.core.events import EventSink
from headrace.core.http import Response
from headrace.core.organisations import asking, check_owner
from headrace.core.suggest import did_you_mean
from headrace.core.tables import GROUP_ROWS, Batch, Finish, Group, RawPage, RunRecord, StreamKey, TableSpec
from headrace.core.templates import Lookup
from headrace.core.types import ColumnType
from headrace.crawl.extract import FINISHED, table_rules
from headrace.crawl.plan import BYTES_ON_THE_WAY, CrawlPlan
from headrace.crawl.variables import PageLookup
from headrace.destinations import from_url
from headrace.mapping.config import Table
from headrace.mapping.mapper import Mapped, Mapper
from headrace.pipeline.load import DEFAULT_DESTINATION, draft, from_resolved
from headrace.pipeline.model import Pipeline
from headrace.pipeline.variables import Variables
from headrace.runner.difference import TableDifference, compare
from headrace.runner.remade import Found, Remade
from headrace.runner.sinks import Fanout
from headrace.sources.decode import by_content_type
from headrace.steps.generic._plan import make_plan
from headrace.steps.generic.api_extractor import ApiExtractor


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
        found = _find(what, loaded.pipeline if loaded else None, session, url)
        _check_organisation(found.runs, what)
        work = _Replay(found, session, target.capabilities(), Fanout(() if plan else sinks))
        return work.plan() if plan else work.run()


def _is_source(what: str) -> bool:
    from headrace import pipelines

    return what in pipelines.names() or Path(what).suffix in (".yml", ".yaml")


def _destination(pipeline: Pipeline | None) -> str:
    environ = os.environ
    named = pipeline.destination if pipeline is not None else None
    return named or environ.get("HEADRACE_DESTINATION") or environ.get("DATABASE_URL") or DEFAULT_DESTINATION


def _find(what: str, pipeline: Pipeline | None, session: Session, url: str) -> Found:
    """Which runs, through which mapping, into which tables."""
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
        tables |= dict.fromkeys(_tables(from_resolved(run.resolved)), run)
    if what in tables:
        mapping = from_resolved(tables[what].resolved)
        mine = [run for run in runs if run.pipeline == mapping.pipeline_id]
        return Found(mapping, mine, frozenset({what}))
    known = sorted({run.pipeline for run in runs} | set(tables))
    raise InputError(
        f"{url} has no run, pipeline or table {name!r} to replay{did_you_mean(name, known)}",
        hint=f"it has: {', '.join(known) or 'no run yet'}",
    )


def _check_organisation(runs: Sequence[RunRecord], what: str) -> None:
    """A replay writes the rows of all these runs anew, through one mapping."""
    asked = asking()
    if asked is not None and any(run.org != asked for run in runs):
        raise InputError(
            f"{what} is not organisation {asked!r}'s alone: a replay would rebuild the rows of others too",
            hint="who may do that does it without HEADRACE_ORG",
        )


def _tables(pipeline: Pipeline) -> list[str]:
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


class _Replay:
    def __init__(self, found: Found, session: Session, capabilities: Capabilities, sink: Fanout) -> None:
        self._found, self._session, self._capabilities, self._sink = found, session, capabilities, sink
        self._rows: Counter[str] = Counter()
        self._pages = self._rejected = 0
        self._types: dict[str, Mapping[str, ColumnType]] = {}
        self._held: dict[str, Mapping[str, ColumnType]] = {}
        """Tables under a contract: the columns that they have are what their records are held to, so that what was
        stored is stored again and what was rejected is rejected again, whatever order the pages come in."""

    def run(self) -> ReplayResult:
        specs, remade = self._specs(), Remade(self._found, self._session, self._capabilities)
        tables = [*(spec.name for spec in specs), *remade.anew]
        before = {name: self._count(name) for name in tables}
        with self._session.rebuild(specs) as inner:
            self._fill(inner)
        remade.run()
        after = {name: self._count(name) for name in tables}
        return ReplayResult(
            tables=after,
            pages=self._pages,
            runs=[run.run_id for run in self._found.runs],
            rejected=self._rejected,
            differences={name: {"before": before[name], "after": after[name]} for name in after},
            stays=remade.stays,
        )

    def plan(self) -> ReplayPlan:
        specs = self._specs()
        with self._session.rehearse([spec.name for spec in specs]) as scratch:
            with scratch.rebuild(specs) as inner:
                self._fill(inner)
            max_name = self._capabilities.limits.max_name
            tables = [compare(spec, self._session, scratch, max_name) for spec in specs]
        made = {spec.name for spec in specs}
        filled = {self._capabilities.fold(t) for run in self._found.runs for t in _tables(from_resolved(run.resolved))}
        left = sorted(filled - made) if self._found.tables is None else []
        remade = Remade(self._found, self._session, self._capabilities)
        runs = [run.run_id for run in self._found.runs]
        return ReplayPlan(tables, self._pages, runs, left, remade.anew, remade.stays)

    def _specs(self) -> list[TableSpec]:
        """The tables as the mapping has them now."""
        steps, last = self._steps(), self._found.runs[-1]
        plans = [self._plan(config, step, last) for step, config in steps]
        mappers = [self._mapper(plan, PageLookup(self._lookup(last))) for plan in plans]
        specs = [s for plan, mapper in zip(plans, mappers, strict=True) for s in table_rules(plan, mapper)]
        self._hold(plans, specs)
        return specs

    def _steps(self) -> list[tuple[str, ApiExtractor]]:
        return [(e.step, e.config) for e in self._found.pipeline.steps if isinstance(e.config, ApiExtractor)]

    def _fill(self, inner: Session) -> None:
        """Every kept page of every run, in order."""
        for run in self._found.runs:
            for step, config in self._steps():
                plan = self._plan(config, step, run)
                lookup = PageLookup(self._lookup(run))
                self._replay(run, plan, lookup, self._mapper(plan, lookup), inner)

    def _hold(self, plans: Sequence[CrawlPlan], specs: Sequence[TableSpec]) -> None:
        tables = [table for plan in plans for table in plan.tables]
        for table, spec in zip(tables, specs, strict=True):
            if (table.contracted.columns, table.contracted.types) != ("evolve", "evolve"):
                have = self._session.columns(spec.name)
                self._held[spec.name] = {name: type for name, type in have.items() if spec.columns.get(name) is None}
        self._types = dict(self._held)

    def _kept(self, table: Table) -> Table | None:
        """The table as it is rebuilt; ``None`` where its contract keeps it from being made."""
        if self._found.tables is not None and table.table not in self._found.tables:
            return None
        contract = table.contracted
        if contract.tables == "quarantine" and not self._session.columns(self._capabilities.fold(table.table)):
            return None
        return table.model_copy(update={"contract": contract.model_copy(update={"tables": "evolve"})})

    def _lookup(self, run: RunRecord) -> Lookup:
        environment = run.resolved.get("environment")
        variables = Variables.of_record(self._found.pipeline, run.params, run.org, environment, os.environ)
        return variables.lookup(run_id=run.run_id, now=run.now)

    def _plan(self, config: ApiExtractor, step: str, run: RunRecord) -> CrawlPlan:
        plan = make_plan(config, step, step, self._lookup(run))
        if plan.raw_table is None:
            raise ArchiveMissing(
                "this step keeps no archive (raw: false)", place=f"step {step}", hint="fetch again with the archive on"
            )
        return replace(plan, tables=[kept for table in plan.tables if (kept := self._kept(table)) is not None])

    def _mapper(self, plan: CrawlPlan, lookup: PageLookup) -> Mapper:
        limits, fold = self._capabilities.limits, self._capabilities.fold
        return Mapper(plan.tables, known=self._types, limits=limits, lookup=lookup, fold=fold)

    def _count(self, table: str) -> int:
        if not self._session.columns(table):
            return 0
        quoted = table.replace('"', '""')
        return sum(batch.column(0)[0].as_py() for batch in self._session.query(f'SELECT count(*) FROM "{quoted}"'))

    def _replay(self, run: RunRecord, plan: CrawlPlan, lookup: PageLookup, mapper: Mapper, inner: Session) -> None:
        assert plan.raw_table is not None
        slices = _Slices(self._session, run.run_id, plan.step)
        group: list[Mapped] = []
        rows = size = 0
        for page in self._pages_of(run, plan):
            lookup.slice = slices.params(page.slice)
            try:
                mapped = mapper.map(_records(page, plan), page_id=page.page_id, fetched_at=page.fetched_at)
            except ContractBroken as error:
                error.place = f"run {page.run_id}, step {page.step}, page {page.page_number}"
                raise
            self._pages += 1
            if group and (mapped.changes or rows >= GROUP_ROWS or size >= BYTES_ON_THE_WAY):
                self._commit(run, group, inner)
                group, rows, size = [], 0, 0
            group.append(mapped)
            rows += mapped.count
            size += sum(batch.rows.nbytes for batch in mapped.batches) + sum(len(each.raw) for each in mapped.rejected)
        if group:
            self._commit(run, group, inner)
        finished = self._session.checkpoint(StreamKey(run.run_id, plan.step, FINISHED))
        if finished is not None:  # the step's own end: a run may fail behind it, or end without it (--steps)
            tables = tuple(spec.name for spec in mapper.specs)
            at = int(finished.memo.get("at") or run.finished_at or run.started_at)
            complete = bool(finished.memo.get("complete", plan.incremental is None))
            finish = Finish(plan.step, run.scope, complete, tables, at)
            inner.commit(Group(run_id=run.run_id, scope=run.scope, finish=finish))
        for spec in mapper.specs:
            self._types[spec.name] = {**inner.columns(spec.name), **self._held.get(spec.name, {})}

    def _pages_of(self, run: RunRecord, plan: CrawlPlan) -> Iterator[RawPage]:
        assert plan.raw_table is not None
        for page in self._session.raw_pages(plan.raw_table, run_id=run.run_id):
            if page.step == plan.step:
                yield page

    def _commit(self, run: RunRecord, group: Sequence[Mapped], inner: Session) -> None:
        batches: list[Batch] = [batch for mapped in group for batch in mapped.batches]
        rejected = [r for mapped in group for r in mapped.rejected]
        changes = [c for mapped in group for c in mapped.changes]
        receipt = inner.commit(
            Group(run_id=run.run_id, scope=run.scope, batches=batches, rejected=rejected, changes=changes)
        )
        self._rejected += len(rejected) + len(receipt.rejected)
        self._rows.update(receipt.rows)
        self._sink.emit(
            events.BatchCommitted(run.run_id, "replay", len(group), receipt.rows, None, self._pages, receipt.seconds)
        )


class _Slices:
    """The slices of a step by name, read when the first sliced page comes."""

    def __init__(self, session: Session, run_id: str, step: str) -> None:
        self._session, self._run_id, self._step = session, run_id, step
        self._found: dict[str, Mapping[str, Any]] = {}

    def params(self, name: str) -> Mapping[str, Any]:
        if not name:
            return {}
        if not self._found:
            after = -1
            while chunk := self._session.slices(self._run_id, self._step, after=after, limit=10_000):
                self._found |= {state.name: state.params for state in chunk}
                after = chunk[-1].position
        return self._found.get(name, {})


def _records(page: RawPage, plan: CrawlPlan) -> bytes:
    import json

    headers = tuple((name, value) for name, value in json.loads(page.headers or "[]"))
    response = Response(page.status, headers, page.body, page.url, page.fetched_at)
    try:
        return (plan.decoder or by_content_type(response)).open(response, plan.data_path, ()).records
    except AnswerError as error:
        raise type(error)(
            error.message, hint=error.hint, place=f"run {page.run_id}, step {page.step}, page {page.page_number}"
        ) from error
