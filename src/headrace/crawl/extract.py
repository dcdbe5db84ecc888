"""One extract step from its checkpoints to its finish."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from headrace.core import events
from headrace.core.contracts import Session
from headrace.core.errors import InputError, SourceError
from headrace.core.tables import Advance, Checkpoint, Finish, Group, SliceState, StreamKey, TableSpec
from headrace.core.templates import Lookup
from headrace.crawl import completeness, marks
from headrace.crawl.arrivals import Item, SliceEnded
from headrace.crawl.channel import Channel
from headrace.crawl.context import RunContext
from headrace.crawl.fetch import Ended, Stream
from headrace.crawl.plan import CrawlPlan, CrawlResult
from headrace.crawl.seal import seal
from headrace.crawl.variables import PageLookup, with_mark, with_slice, with_window
from headrace.crawl.writer import Writer
from headrace.destinations._layout import Layout
from headrace.destinations._sql import quote
from headrace.mapping.config import RemovalRule
from headrace.mapping.mapper import Mapper
from headrace.sources.client import ApiClient
from headrace.sources.throttle import SharedLimit

SHOWN_FAILURES = 20
SHOWN_DOUBTS = 20
FINISHED = "#finish"
"""The stream whose checkpoint says that a step's finish was committed (once, whatever happens)."""


async def crawl(plan: CrawlPlan, ctx: RunContext) -> CrawlResult:
    """Crawl ``plan`` from where its checkpoints stand. Errors are raised after what was fetched is committed."""
    finish_key = StreamKey(ctx.run_id, plan.step, FINISHED)
    finished = await ctx.database.call(lambda s: s.checkpoint(finish_key)) if ctx.resumed else None
    if finished is not None:
        rows = dict(finished.memo.get("rows", {}))
        return CrawlResult("done", rows, finished.rows, finished.page_number, 0, 0)
    lookup = PageLookup(ctx.lookup)
    step = _Step(plan, ctx, await _mapper(plan, ctx, lookup), lookup)
    return await step.run(finish_key)


async def _mapper(plan: CrawlPlan, ctx: RunContext, lookup: PageLookup) -> Mapper:
    capabilities = ctx.database.capabilities
    draft = ctx.mapper(plan.tables, known={}, limits=capabilities.limits, lookup=lookup, fold=capabilities.fold)
    specs = table_rules(plan, draft)
    raw = [plan.raw_table] if plan.raw_table else []
    await ctx.database.call(lambda s: s.prepare(specs, raw))
    known = await ctx.database.call(lambda s: {spec.name: s.columns(spec.name) for spec in specs})
    return ctx.mapper(plan.tables, known=known, limits=capabilities.limits, lookup=lookup, fold=capabilities.fold)


def table_rules(plan: CrawlPlan, mapper: Mapper) -> list[TableSpec]:
    """The tables as the destination is told of them: what the paging style decides is filled in."""
    found = []
    for table, spec in zip(plan.tables, mapper.specs, strict=True):
        told = table.removals.after_missing if isinstance(table.removals, RemovalRule) else None
        found.append(replace(spec, removed_after=told or plan.removed_after))
    return found


class _Step:
    """The moving parts of one crawl: streams → channel → writer."""

    def __init__(self, plan: CrawlPlan, ctx: RunContext, mapper: Mapper, page_lookup: PageLookup) -> None:
        self._plan, self._ctx, self._mapper = plan, ctx, mapper
        self._last = ctx.last_complete(plan.step)
        self._lookup = with_mark(plan.incremental, ctx.lookup, self._last)
        auth = plan.auth
        reference = auth.credential() if auth is not None else None
        self._client = ApiClient(
            transport=ctx.transport,
            auth=auth,
            secret=ctx.secret(reference) if reference is not None and not ctx.offline else None,
            rate_limit=plan.rate_limit,
            clock=ctx.clock,
            emit=ctx.emit,
            run_id=ctx.run_id,
            step=plan.step,
            masker=ctx.masker,
            cache=ctx.cache,
            offline=ctx.offline,
            tokens=ctx.tokens,
            origins=plan.origins,
            shared=_shared_limit(plan, ctx),
        )
        self._channel: Channel[Item] = Channel(plan.bytes_on_the_way, lambda item: item.size)
        self._slices: dict[str, SliceState] = {}
        self._writer = Writer(plan, ctx, mapper, page_lookup, self._channel, self._slices)
        self._ended: set[Ended] = set()
        self._failed = 0
        self._failures: list[str] = []
        """What the first of them said."""
        self._suspicions: list[tuple[str, str]] = []
        self._reached: dict[StreamKey, Checkpoint] = {}
        self._mark: Any = self._last.mark if plan.incremental is not None and self._last is not None else None
        self._seen = 0

    async def run(self, finish_key: StreamKey) -> CrawlResult:
        plan, ctx = self._plan, self._ctx
        total = 0
        if plan.slices is not None:
            freeze = plan.slices.freeze
            total = await ctx.database.call(lambda s: s.freeze_slices(ctx.run_id, plan.step, freeze(s)))
            await self._refuse_doubled_slices()
        if ctx.resumed:
            await self._count_earlier()
        ctx.emit(events.StepStarted(ctx.run_id, plan.step, plan.title, total))
        writing = asyncio.create_task(self._writer.run())
        fetching = asyncio.create_task(self._fetch())
        try:
            await asyncio.wait({writing, fetching}, return_when=asyncio.FIRST_COMPLETED)
            if writing.done() and not fetching.done():  # the writer failed: nothing more can be kept
                fetching.cancel()
            problem = await asyncio.gather(fetching, return_exceptions=True)
            self._channel.close()
            await writing
            if isinstance(problem[0], Exception):
                raise problem[0]
        finally:
            for task in (fetching, writing):
                if not task.done():
                    task.cancel()
            await asyncio.gather(fetching, writing, return_exceptions=True)
        return await self._finish(finish_key)

    async def _count_earlier(self) -> None:
        """What earlier calls of this run stored and could not store: `max_rejected` is for all of them."""
        key = (self._ctx.run_id, self._plan.step, FINISHED)
        stored = (
            'SELECT coalesce(sum("rows"), 0) FROM headrace_checkpoints WHERE run_id = ? AND step = ? AND slice <> ?'
        )

        def count(session: Session) -> tuple[int, int]:
            rejected = 0
            for spec in self._mapper.specs:
                name = Layout(spec, spec.name, self._ctx.database.capabilities.limits.max_name).rejected
                sql = f"SELECT count(*) FROM {quote(name)} WHERE run_id = ?"
                rejected += _number(session.query(sql, (self._ctx.run_id,)))
            return _number(session.query(stored, key)), rejected

        self._writer.records, self._writer.rejected = await self._ctx.database.call(count)

    async def _refuse_doubled_slices(self) -> None:
        """A slice's name is the name of its checkpoint: two of one name would take each other's pages."""
        sql = "SELECT name FROM headrace_slices WHERE run_id = ? AND step = ? GROUP BY name HAVING count(*) > 1 LIMIT 5"
        key = (self._ctx.run_id, self._plan.step)
        batches = await self._ctx.database.call(lambda s: list(s.query(sql, key)))
        if names := [str(name) for batch in batches for name in batch.column(0).to_pylist()]:
            raise InputError(
                f"there is more than one slice called {', '.join(map(repr, names))}",
                hint="each: leave out what is doubled; rows: make the first column of the query unique",
                place=f"step {self._plan.step}, slices",
            )

    async def _fetch(self) -> None:
        if self._plan.slices is None:
            await self._stream("", self._lookup)
            return
        todo = _Slices(self._ctx, self._plan.step)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._plan.slices.concurrency):
                    group.create_task(self._work(todo))
        except ExceptionGroup as several:
            raise several.exceptions[0] from several

    async def _work(self, todo: _Slices) -> None:
        assert self._plan.slices is not None
        retry = self._plan.slices.retry
        while not self._ctx.stop.is_set() and "budget" not in self._ended and (state := await todo.next()) is not None:
            lookup = with_slice(self._lookup, state.params)
            if self._ctx.backfill:
                lookup = with_window(self._plan.incremental, lookup, state.params, self._last)
            for attempt in range(retry + 1):
                self._slices[state.name] = state
                try:
                    await self._stream(state.name, lookup)
                    break
                except SourceError as error:
                    text = self._ctx.masker.mask_text(str(error))
                    state = replace(state, attempts=state.attempts + 1, status="failed", error=text)
                    self._ctx.emit(events.SliceFailed(self._ctx.run_id, self._plan.step, state.name, text, attempt + 1))
                    if attempt == retry:
                        self._reached.pop(StreamKey(self._ctx.run_id, self._plan.step, state.name), None)
                        self._failed += 1
                        if len(self._failures) < SHOWN_FAILURES:
                            self._failures.append(f"slice {state.name}: {text}")
                        await self._channel.put(SliceEnded(state))

    async def _stream(self, name: str, lookup: Lookup) -> None:
        """Fetch one stream to its end; called again after an error, it goes on behind the last page sent."""
        key = StreamKey(self._ctx.run_id, self._plan.step, name)
        at = self._reached.pop(key, None)
        if at is None:
            at = await self._ctx.database.call(lambda s: s.checkpoint(key)) if self._ctx.resumed else None
            self._writer.standing[key] = at
        stream = Stream(self._plan, self._ctx, self._client, key, lookup, at)
        try:
            async with aclosing(stream.pages()) as pages:
                async for page in pages:
                    await self._channel.put(seal(page, self._plan))
                    at = page.at
        except SourceError:
            if at is not None:
                self._reached[key] = at
            raise
        self._ended.add(stream.ended)
        self._doubt(stream.suspicions)
        if at is not None:
            self._count(at.memo)

    def _doubt(self, doubts: Sequence[tuple[str, str]]) -> None:
        """Keep what is new, as far as it will be shown: every one of a million slices may have some."""
        self._suspicions += [doubt for doubt in doubts if doubt not in self._suspicions]
        del self._suspicions[SHOWN_DOUBTS:]

    async def _count_slices(self) -> None:
        """Add what earlier calls did; a slice that is still to be done makes the crawl incomplete."""
        ctx, step = self._ctx, self._plan.step
        undone = ("pending", "failed")
        left = await ctx.database.call(lambda s: s.slices(ctx.run_id, step, status=undone, limit=1))
        if left and not self._failed and not self._ended & {"budget", "capped", "paused"}:
            self._ended.add("stopped")
        self._seen = 0  # also what another process did that began before this one and wrote after it
        sql = "SELECT memo FROM headrace_checkpoints WHERE run_id = ? AND step = ? AND slice <> ?"

        def add_up(session: Session) -> None:  # as they are read: there may be a million
            for batch in session.query(sql, (ctx.run_id, step, FINISHED)):
                for text in batch.column(0).to_pylist():
                    memo = json.loads(str(text))
                    self._count(memo)
                    self._doubt([(seen, remedy) for seen, remedy in memo.get("doubts", ())])

        await ctx.database.call(add_up)

    def _count(self, memo: Mapping[str, Any]) -> None:
        self._seen += int(memo.get("seen", 0))
        self._mark = marks.later(self._mark, memo.get("mark"))

    async def _finish(self, key: StreamKey) -> CrawlResult:
        plan, ctx, writer = self._plan, self._ctx, self._writer
        writer.check_rejected()
        if plan.slices is not None:
            await self._count_slices()
        # One that was stopped says nothing about what there is; an incremental one may well find nothing new.
        everything = plan.incremental is None and not ctx.backfill
        whole = self._ended <= {"done"} and not self._failed and everything
        if whole and (found := completeness.collapse(self._seen, self._last)):
            self._suspicions.append(found)
        if ctx.accepted:
            self._suspicions.clear()
        status, why = completeness.verdict(self._ended, self._failed, self._suspicions)
        for seen, remedy in self._suspicions:
            ctx.emit(events.Suspicion(ctx.run_id, plan.step, seen, remedy))
        if status == "done":
            # An incremental crawl sees only what is new, a backfill a part: absence means nothing there.
            tables = tuple(spec.name for spec in self._mapper.specs if spec.name not in self._mapper.withheld)
            finish = Finish(plan.step, ctx.scope, everything, tables, ctx.clock.now())
            memo = {"mark": self._mark, "rows": dict(writer.rows), "at": finish.at, "complete": everything}
            at = Checkpoint(key, writer.pages, None, True, ctx.clock.random_bytes(8).hex(), self._seen, memo)
            group = Group(run_id=ctx.run_id, scope=ctx.scope, advances=[Advance(None, at)], finish=finish)
            receipt = await ctx.database.call(lambda s: s.commit(group))
            for gone in receipt.removals:
                ctx.emit(events.RemovalsFound(ctx.run_id, gone.table, gone.missing, gone.known, gone.status))
        return CrawlResult(
            status=status,  # type: ignore[arg-type]  # verdict() speaks the five words of CrawlResult
            rows=dict(writer.rows),
            records=self._seen,
            pages=writer.pages,
            requests=self._client.requests,
            cached=self._client.cached,
            suspicions=self._suspicions,
            error="\n".join([why, *self._failures]).strip() if status != "done" else "",
        )


def _number(batches: Iterator[Any]) -> int:
    return int(next(value for batch in batches for value in batch.column(0).to_pylist()))


class _Slices:
    """Hands out the slices that are not done, read in chunks so that a million cost nothing."""

    def __init__(self, ctx: RunContext, step: str) -> None:
        self._ctx, self._step = ctx, step
        self._chunk: Iterator[SliceState] = iter(())
        self._after = -1
        self._lock = asyncio.Lock()

    async def next(self) -> SliceState | None:
        async with self._lock:
            state = next(self._chunk, None)
            if state is None:
                ctx, step, after = self._ctx, self._step, self._after
                found = await ctx.database.call(
                    lambda s: s.slices(ctx.run_id, step, status=("pending", "failed"), after=after, limit=1000)
                )
                if not found:
                    return None
                self._after = found[-1].position
                self._chunk = iter(found)
                state = next(self._chunk)
            return state


SHARED_BELOW = 1000.0
"""Requests per second up to which processes count together; faster limits are none that an API enforces."""


def _shared_limit(plan: CrawlPlan, ctx: RunContext) -> SharedLimit | None:
    """What processes share: one credential at one host, under one rule."""
    limit = plan.rate_limit
    requests, period = limit.requests or limit.requests_per_second or 10, limit.per_seconds or 1
    if ctx.shared_limit is None or requests / period > SHARED_BELOW:
        return None
    reference = plan.auth.credential() if plan.auth is not None else None
    who = (reference.provider or reference.secret_key or "") if reference is not None else ""
    return ctx.shared_limit(f"{ctx.org}/{who}@{plan.host}/{requests:g}/{period:g}")
