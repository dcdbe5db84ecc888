"""Kept pages through the mapping once more, into tables that begin empty."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from headrace.core import events
from headrace.core.contracts import Capabilities, Session
from headrace.core.errors import AnswerError, ArchiveMissing, ContractBroken
from headrace.core.events import EventSink
from headrace.core.http import Response
from headrace.core.tables import GROUP_ROWS, Batch, Finish, Group, RawPage, RunRecord, StreamKey, TableSpec
from headrace.core.templates import Lookup
from headrace.core.types import ColumnType
from headrace.crawl.extract import FINISHED, table_rules
from headrace.crawl.plan import BYTES_ON_THE_WAY, CrawlPlan
from headrace.crawl.variables import PageLookup
from headrace.mapping.config import Table
from headrace.mapping.mapper import Mapped, Mapper
from headrace.pipeline.variables import Variables
from headrace.runner.found import Found
from headrace.sources.decode import by_content_type
from headrace.steps.generic._plan import make_plan
from headrace.steps.generic.api_extractor import ApiExtractor


class Refill:
    """``session`` has the archive and the tables as they are; ``pages`` and ``rejected`` count what was mapped again."""

    def __init__(self, found: Found, session: Session, capabilities: Capabilities, sink: EventSink) -> None:
        self._found, self._session, self._capabilities, self._sink = found, session, capabilities, sink
        self.pages = self.rejected = 0
        self._types: dict[str, Mapping[str, ColumnType]] = {}
        self._held: dict[str, Mapping[str, ColumnType]] = {}
        """Tables under a contract: the columns that they have are what their records are held to, so that what was
        stored is stored again and what was rejected is rejected again, whatever order the pages come in."""

    def specs(self) -> list[TableSpec]:
        """The tables as the mapping has them now."""
        steps, last = self._steps(), self._found.runs[-1]
        plans = [self._plan(config, step, last) for step, config in steps]
        mappers = [self._mapper(plan, PageLookup(self._lookup(last))) for plan in plans]
        specs = [spec for plan, mapper in zip(plans, mappers, strict=True) for spec in table_rules(plan, mapper)]
        self._hold(plans, specs)
        return specs

    def _steps(self) -> list[tuple[str, ApiExtractor]]:
        entries = self._found.pipeline.steps
        return [(entry.step, entry.config) for entry in entries if isinstance(entry.config, ApiExtractor)]

    def fill(self, inner: Session) -> None:
        """Every kept page of every run into ``inner``, in order; :meth:`specs` has been asked for before. Raises
        ArchiveMissing, ContractBroken."""
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
            self.pages += 1
            if group and (mapped.changes or rows >= GROUP_ROWS or size >= BYTES_ON_THE_WAY):
                self._commit(run, group, inner)
                group, rows, size = [], 0, 0
            group.append(mapped)
            rows += mapped.count
            size += sum(batch.rows.nbytes for batch in mapped.batches) + sum(len(each.raw) for each in mapped.rejected)
        if group:
            self._commit(run, group, inner)
        self._finish(run, plan, mapper, inner)
        for spec in mapper.specs:
            self._types[spec.name] = {**inner.columns(spec.name), **self._held.get(spec.name, {})}

    def _finish(self, run: RunRecord, plan: CrawlPlan, mapper: Mapper, inner: Session) -> None:
        """As the step ended: a run may have failed behind it, or ended without it (--steps)."""
        finished = self._session.checkpoint(StreamKey(run.run_id, plan.step, FINISHED))
        if finished is None:
            return
        tables = tuple(spec.name for spec in mapper.specs)
        at = int(finished.memo.get("at") or run.finished_at or run.started_at)
        complete = bool(finished.memo.get("complete", plan.incremental is None))
        finish = Finish(plan.step, run.scope, complete, tables, at)
        inner.commit(Group(run_id=run.run_id, scope=run.scope, finish=finish))

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
        self.rejected += len(rejected) + len(receipt.rejected)
        self._sink.emit(
            events.BatchCommitted(run.run_id, "replay", len(group), receipt.rows, None, self.pages, receipt.seconds)
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
    headers = tuple((name, value) for name, value in json.loads(page.headers or "[]"))
    response = Response(page.status, headers, page.body, page.url, page.fetched_at)
    try:
        return (plan.decoder or by_content_type(response)).open(response, plan.data_path, ()).records
    except AnswerError as error:
        raise type(error)(
            error.message, hint=error.hint, place=f"run {page.run_id}, step {page.step}, page {page.page_number}"
        ) from error
