"""One run from its lease to its record: the steps in order, each from where it stands."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from headrace.core import events, faults
from headrace.core.contracts import CredentialRef, Secret
from headrace.core.errors import HeadraceError
from headrace.core.tables import RunRecord, RunStatus
from headrace.core.templates import as_text, render
from headrace.crawl.context import LastComplete, RunContext
from headrace.crawl.extract import FINISHED
from headrace.crawl.last import last_complete
from headrace.crawl.plan import CrawlResult
from headrace.pipeline.job import Job
from headrace.pipeline.secrets import sensitive_columns, spelled_out
from headrace.pipeline.sql import tables_read
from headrace.runner import holding, records
from headrace.runner.database import SessionThread
from headrace.runner.holding import Surroundings
from headrace.runner.result import RunResult, StepSummary
from headrace.runner.secrets import OrgTokens
from headrace.runner.sharing import check_shared_tables
from headrace.runner.sinks import Fanout, StateSink, Tally
from headrace.secrets.mask import Masker
from headrace.secrets.scrub import scrub
from headrace.state.cache import ResponseCache

if TYPE_CHECKING:
    from headrace.steps.base import Step

_ORDER: tuple[RunStatus, ...] = ("failed", "interrupted", "partial", "suspect", "done")
"""What a run is called when its steps end differently: the first of these that occurs."""


async def execute(job: Job, around: Surroundings) -> RunResult:
    """Run ``job`` to its end, or on from where it stands. Errors of the API or the database are raised
    after the run's record says ``failed``; a stop, a pause or a suspicion is a result."""
    tally = Tally()
    fanout = Fanout((tally, StateSink(around.state, tally, around.clock), *around.sinks))
    started = around.clock.monotonic()
    known = around.state.run(job.run_id)
    if known is not None:
        records.check_organisation(job, known.org)
    async with holding.opened(job, around) as database, holding.leased(job, database, around):
        await database.call(lambda s: check_shared_tables(s, job.org, job.steps))
        job, record, resumed, cut_off = await records.begin(job, database, around.clock, fanout)
        if resumed and (record.status == "done" or (record.status == "suspect" and not around.accept)):
            return _as_it_stands(job, record, around)
        with holding.announced(job, around):
            masker = Masker()
            cache = ResponseCache(
                around.state.folder / ("cache" if record.org == "default" else f"cache.{record.org}"),
                record.run_id,
                warn=lambda text: fanout.emit(events.Warned(record.run_id, text)),
            )
            run = _Run(job, around, database, record, resumed, cut_off, fanout, tally, masker, cache)
            fanout.emit(
                events.RunStarted(record.run_id, job.pipeline_id, around.destination.url, resumed, record.params)
            )
            try:
                status, steps, error, suspicions = await run.steps()
            except BaseException as problem:
                scrub(problem, masker.mask_text)
                await run.record_failure(problem)
                raise
            finally:
                cache.close()
            result = RunResult(
                run_id=record.run_id,
                pipeline=job.pipeline_id,
                destination=around.destination.url,
                status=status,
                rows=dict(tally.rows),
                pages=tally.pages,
                requests=tally.requests,
                cached=tally.cached,
                retries=tally.retries,
                seconds=around.clock.monotonic() - started,
                resumed=resumed,
                steps=steps,
                suspicions=suspicions,
                error=error,
                checks=tuple(tally.checks),
            )
            await run.save(status, error)
            if status == "done":
                cache.close(remove=True)
            fanout.emit(
                events.RunFinished(
                    record.run_id,
                    status,
                    result.rows,
                    result.pages,
                    result.requests,
                    result.cached,
                    result.seconds,
                    error,
                    [seen for seen, _ in suspicions],
                )
            )
            return result


class _Run:
    """The parts of one call that the steps share."""

    def __init__(
        self,
        job: Job,
        around: Surroundings,
        database: SessionThread,
        record: RunRecord,
        resumed: bool,
        cut_off: bool,
        fanout: Fanout,
        tally: Tally,
        masker: Masker,
        cache: ResponseCache,
    ) -> None:
        self._job, self._around, self._database = job, around, database
        self._record, self._resumed, self._cut_off = record, resumed, cut_off
        self._sensitive = sensitive_columns(record.resolved)
        self._fanout, self._tally, self._masker, self._cache = fanout, tally, masker, cache
        self._results: dict[str, dict[str, Any]] = {}

    async def steps(self) -> tuple[RunStatus, list[StepSummary], str, list[tuple[str, str]]]:
        """Run the chosen steps in order; the first that does not end as done ends the run."""
        from headrace.sources.http import AiohttpTransport

        # Once more, now that this run is on record: of two first runs at once each sees the other.
        await self._database.call(lambda s: check_shared_tables(s, self._record.org, self._job.steps))
        last = await self._last_complete()
        finished = await self._finished_steps()
        accepted = ""
        transport = AiohttpTransport(self._around.clock, rewrite=self._around.rewrite, trust=self._around.trust)
        summaries: list[StepSummary] = []
        problems: list[str] = []
        suspicions: list[tuple[str, str]] = []
        try:
            for entry in self._job.steps:
                if accepted:
                    summaries.append(StepSummary(entry.step, "partial", {}))
                    problems.append(f"step {accepted} is accepted; step {entry.step} has not run yet")
                    break
                if self._around.accept and entry.step not in finished and not entry.config.prepares:
                    accepted = entry.step
                ctx = self._context(entry.config, transport, last)
                result: CrawlResult = await entry.config.run(entry.step, entry.title or entry.step, ctx)
                summaries.append(StepSummary(entry.step, result.status, dict(result.rows), result.pages))
                suspicions += result.suspicions
                self._results[entry.step] = {
                    "rows_extracted": result.records,
                    "status": "SUCCESS" if result.status == "done" else result.status,
                }
                columns = await self._columns(list(result.rows))
                fold = self._database.capabilities.fold
                reads = tuple(map(fold, tables_read(entry.config, ctx.lookup)))
                self._fanout.emit(
                    events.StepFinished(
                        self._record.run_id, entry.step, result.status, dict(result.rows), columns, reads
                    )
                )
                if result.status != "done":
                    problems.append(result.error)
                    break
        finally:
            await transport.close()
        found = {summary.status for summary in summaries}
        status: RunStatus = next((s for s in _ORDER if s in found), "done")
        return status, summaries, "\n".join(problems), suspicions

    async def _columns(self, tables: list[str]) -> dict[str, Mapping[str, str]]:
        return await self._database.call(lambda s: {name: s.columns(name) for name in tables})

    def _context(self, config: Step, transport: Any, last: Mapping[str, LastComplete]) -> RunContext:
        around, record = self._around, self._record
        lookup = self._job.lookup(record.run_id, record.now, self._results)
        for secret in spelled_out(config.model_dump(by_alias=True), lambda text: as_text(render(text, lookup))):
            self._masker.add(secret)
        return RunContext(
            run_id=record.run_id,
            pipeline=record.pipeline,
            org=record.org,
            scope=record.scope,
            params=record.params,
            now=record.now,
            lookup=lookup,
            database=self._database,
            transport=transport,
            clock=around.clock,
            emit=self._fanout.emit,
            secret=self._secret,
            masker=self._masker,
            keep_secret=self._keep_secret,
            tokens=OrgTokens(around.state, record.org, around.vault),
            cache=self._cache,
            shared_limit=around.state.limit,
            last_complete=last.get,
            stop=around.stop,
            offline=around.offline,
            page_limit=around.page_limit,
            resumed=self._resumed,
            backfill="backfill" in record.resolved,
            cut_off=self._cut_off,
            sensitive=self._sensitive,
            accepted=around.accept,
        )

    def _secret(self, reference: CredentialRef) -> Secret:
        found = self._around.find_secret(reference)
        self._masker.add_secret(found)
        return found

    def _keep_secret(self, name: str, secret: Secret) -> None:
        self._masker.add_secret(secret)
        self._around.keep_secret(name, secret)

    async def _finished_steps(self) -> set[str]:
        sql = "SELECT step FROM headrace_checkpoints WHERE run_id = ? AND slice = ?"
        if not self._resumed:
            return set()
        batches = await self._database.call(lambda s: list(s.query(sql, (self._record.run_id, FINISHED))))
        return {str(step) for batch in batches for step in batch.column(0).to_pylist()}

    async def _last_complete(self) -> dict[str, LastComplete]:
        record, steps = self._record, [entry.step for entry in self._job.steps]
        of = {"pipeline": record.pipeline, "org": record.org, "scope": record.scope, "run_id": record.run_id}
        return await self._database.call(lambda s: last_complete(s, steps, **of, before=record.started_at))

    async def record_failure(self, problem: BaseException) -> None:
        """Leave word of ``problem`` where `status` finds it, if the database can still be told."""
        stopped = isinstance(problem, asyncio.CancelledError | KeyboardInterrupt)
        text = "stopped at once" if stopped else self._masker.mask_text(str(problem) or repr(problem))
        status: RunStatus = "interrupted" if stopped else "failed"
        try:
            await self.save(status, text)
        except HeadraceError:
            self._around.state.update_run(self._record.run_id, status=status, error=text)
        tally = self._tally
        self._fanout.emit(
            events.RunFinished(
                self._record.run_id, status, dict(tally.rows), tally.pages, tally.requests, tally.cached, 0.0, text
            )
        )

    async def save(self, status: RunStatus, error: str) -> None:
        tally, record = self._tally, self._record
        ended = replace(
            record,
            status=status,
            finished_at=self._around.clock.now(),
            rows=record.rows + sum(tally.rows.values()),
            pages=record.pages + tally.pages,
            requests=record.requests + tally.requests,
            error=error,
        )
        await self._database.call(lambda s: s.save_run(ended))
        faults.point("run.finished")
        self._around.state.update_run(
            record.run_id,
            status=status,
            error=error,
            rows=ended.rows,
            pages=ended.pages,
            requests=ended.requests,
            finished_at=ended.finished_at,
            progress=tally.progress(),
        )


def _as_it_stands(job: Job, record: RunRecord, around: Surroundings) -> RunResult:
    return RunResult(
        run_id=record.run_id,
        pipeline=job.pipeline_id,
        destination=around.destination.url,
        status=record.status,
        resumed=True,
        error=record.error,
    )
