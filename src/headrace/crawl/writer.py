"""The writer loop: takes every page that is there, maps it, and commits whole groups."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from headrace.core.errors import TooManyRejected
from headrace.core.events import BatchCommitted, RecordsRejected, SchemaChanged
from headrace.core.tables import (
    GROUP_ROWS,
    Advance,
    Batch,
    Checkpoint,
    Group,
    RawPage,
    Receipt,
    Rejected,
    SliceState,
    StreamKey,
)
from headrace.crawl.arrivals import TOGETHER, Arrivals, Item, Ready, SliceEnded
from headrace.crawl.channel import Channel
from headrace.crawl.context import RunContext
from headrace.crawl.fetch import Fetched
from headrace.crawl.plan import CrawlPlan
from headrace.crawl.variables import PageLookup
from headrace.mapping.mapper import Mapped, Mapper

COMMIT_SHARE = 0.15
"""The share of the time that commits are to take: dearer ones are made less often. They stay below a fifth then, though
one may be dearer than the one before, or be made at once since fetching waits for room."""
LONGEST_INTERVAL = 30.0
REJECTED_ANYWAY = 100
"""``max_rejected`` fails no run with fewer rejected records than this."""


@dataclass(slots=True)
class _Pending:
    """The group being gathered. ``closed``: the next page changes a type and must not join it."""

    since: float
    items: list[Item] = field(default_factory=list)
    mapped: list[Mapped] = field(default_factory=list)
    ended: list[SliceState] = field(default_factory=list)
    rows: int = 0
    closed: bool = False

    def add(self, ready: Ready) -> None:
        self.items.extend(ready.items)
        self.ended.extend(item.state for item in ready.items if isinstance(item, SliceEnded))
        if ready.mapped is not None:
            self.mapped.append(ready.mapped)
            self.rows += ready.mapped.count


class Writer:
    """One step's way into the destination. Its totals are readable while it runs."""

    def __init__(
        self,
        plan: CrawlPlan,
        ctx: RunContext,
        mapper: Mapper,
        lookup: PageLookup,
        channel: Channel[Item],
        slices: dict[str, SliceState],
    ) -> None:
        self.rows: Counter[str] = Counter()
        self.records = 0
        self.rejected = 0
        self.pages = 0
        self.standing: dict[StreamKey, Checkpoint | None] = {}
        """The committed checkpoint of each stream under way; whoever starts a stream puts it here."""
        self._plan, self._ctx, self._channel = plan, ctx, channel
        self._slices, self._mapper = slices, mapper
        self._arrived: list[Item] = []
        """Not mapped yet: short pages are mapped together."""
        self._arrived_rows = 0
        self._ready: deque[Ready] = deque()
        self._mapping = Arrivals(plan.step, mapper, lookup, slices)
        usual = ctx.database.capabilities.commit_every
        self._every = plan.commit_every if plan.commit_every is not None else usual
        self._last_seconds = 0.0
        self._last_end = ctx.clock.monotonic()

    async def run(self) -> None:
        """Until the channel is drained. Any error leaves the last commit as the truth."""
        committing: asyncio.Task[None] | None = None
        pending = self._new()
        with ThreadPoolExecutor(1, "headrace-map") as thread:
            try:
                while True:
                    if committing is not None and committing.done():
                        await committing
                        committing = None
                    self._take()
                    if self._arrived_rows >= TOGETHER or (committing is None and self._due(pending)):
                        await self._map_arrivals(thread)
                    self._fill(pending)
                    if committing is None and pending.items and self._due(pending):
                        committing = asyncio.create_task(self._commit(pending, thread))
                        pending = self._new()
                    elif self._ended and not self._ready and not pending.items:
                        break
                    else:
                        await self._rest(pending, committing)
                if committing is not None:
                    await committing
                if self._mapping.refused is not None:
                    raise self._mapping.refused
            finally:
                if committing is not None and not committing.done():
                    await asyncio.wait({committing})

    def _new(self) -> _Pending:
        return _Pending(self._ctx.clock.monotonic())

    @property
    def _ended(self) -> bool:
        return self._mapping.refused is not None or (self._channel.drained and not self._arrived)

    def _take(self) -> None:
        """What has come; at most about one group ahead of the commits."""
        rows = sum(ready.mapped.count for ready in self._ready if ready.mapped is not None) + self._arrived_rows
        while self._mapping.refused is None and rows < GROUP_ROWS and (item := self._channel.take()) is not None:
            self._arrived.append(item)
            rows += (count := item.count if isinstance(item, Fetched) else 0)
            self._arrived_rows += count

    async def _map_arrivals(self, thread: ThreadPoolExecutor) -> None:
        items, self._arrived, self._arrived_rows = self._arrived, [], 0
        if items:
            self._ready.extend(await asyncio.get_running_loop().run_in_executor(thread, self._mapping.map, items))

    def _fill(self, pending: _Pending) -> None:
        while self._ready and not pending.closed:
            ready = self._ready[0]
            if ready.mapped is not None and ready.mapped.changes and pending.mapped:
                pending.closed = True
                return
            self._ready.popleft()
            pending.add(ready)

    def _due(self, pending: _Pending) -> bool:
        if (
            pending.closed
            or self._mapping.refused
            or self._channel.drained
            or self._channel.starved
            or self._ctx.stop.is_set()
        ):
            return True
        return self._wait_for(pending) <= 0

    def _wait_for(self, pending: _Pending) -> float:
        """Seconds until ``pending`` should be committed: when it is old or large enough, but not while
        commits would take more than their share of the time."""
        now = self._ctx.clock.monotonic()
        spared = min(self._last_seconds * (1 / COMMIT_SHARE - 1), LONGEST_INTERVAL) - (now - self._last_end)
        age = 0.0 if pending.rows >= GROUP_ROWS else self._every - (now - pending.since)
        return max(age, spared)

    async def _rest(self, pending: _Pending, committing: asyncio.Task[None] | None) -> None:
        """Wait for a page, for the running commit, or until the group is due."""
        waiting: set[asyncio.Task[None]] = set()
        if not pending.closed and not self._channel.drained and self._mapping.refused is None:
            nothing = not (pending.items or self._arrived)
            within = None if committing is not None or nothing else max(0.0, self._wait_for(pending))
            waiting.add(asyncio.create_task(self._channel.arrival(within)))
        try:
            await asyncio.wait(waiting | ({committing} if committing else set()), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()

    async def _commit(self, pending: _Pending, thread: ThreadPoolExecutor) -> None:
        group = self._group(pending, await self._gathered(pending, thread))
        started = self._ctx.clock.monotonic()
        receipt = await self._ctx.database.call(lambda session: session.commit(group))
        self._last_end = self._ctx.clock.monotonic()
        self._last_seconds = self._last_end - started
        self._committed(pending, group, receipt)
        await self._channel.release(pending.items)
        if self._ctx.cache is not None:
            self._ctx.cache.committed([p.cache_key for p in pending.items if isinstance(p, Fetched)])
        self.check_rejected()

    async def _gathered(self, pending: _Pending, thread: ThreadPoolExecutor) -> Sequence[Batch]:
        """Put together where they were made, and given up as they came: the next pages are mapped into their memory,
        while what a database keeps for good lies elsewhere and not between."""

        def put_together() -> Sequence[Batch]:
            came, pending.mapped = pending.mapped, [replace(mapped, batches=()) for mapped in pending.mapped]
            return self._mapper.gather([batch for mapped in came for batch in mapped.batches])

        return await asyncio.get_running_loop().run_in_executor(thread, put_together)

    def check_rejected(self) -> None:
        """Raises TooManyRejected, by what all calls of this run could not store."""
        allowed = max(REJECTED_ANYWAY, self._plan.max_rejected * self.records)
        if self.rejected > allowed:
            raise TooManyRejected(
                f"{self.rejected} of {self.records} records could not be stored",
                hint="their reasons are in the `_rejected` tables; mend the columns, then `headrace replay FILE` makes the "
                "tables from the archive without a request; or raise max_rejected",
                place=f"step {self._plan.step}",
            )

    def _group(self, pending: _Pending, batches: Sequence[Batch]) -> Group:
        ctx, plan = self._ctx, self._plan
        latest: dict[StreamKey, Checkpoint] = {}
        pages: list[RawPage] = []
        for item in pending.items:
            if isinstance(item, SliceEnded):
                continue
            latest[item.at.key] = item.at
            if item.raw is not None:
                pages.append(item.raw)
        slices = [*pending.ended]
        for key, at in latest.items():
            if at.done and key.slice in self._slices:
                state = self._slices[key.slice]
                slices.append(replace(state, status="done", attempts=state.attempts + 1))
        return Group(
            run_id=ctx.run_id,
            scope=ctx.scope,
            advances=[
                Advance(self.standing.get(key), replace(at, attempt=ctx.clock.random_bytes(8).hex()))
                for key, at in latest.items()
            ],
            batches=batches,
            pages=pages,
            rejected=[rejected for mapped in pending.mapped for rejected in mapped.rejected],
            changes=[change for mapped in pending.mapped for change in mapped.changes],
            slices=[(plan.step, state) for state in slices],
        )

    def _committed(self, pending: _Pending, group: Group, receipt: Receipt) -> None:
        ctx, step = self._ctx, self._plan.step
        for advance in group.advances:
            self.standing[advance.at.key] = advance.at
            if advance.at.done:
                del self.standing[advance.at.key]
                self._slices.pop(advance.at.key.slice, None)
        for state in pending.ended:
            self.standing.pop(StreamKey(ctx.run_id, step, state.name), None)
            self._slices.pop(state.name, None)
        self.rows.update(receipt.rows)
        pages = sum(
            isinstance(p, Fetched) and p.response is not None for p in pending.items
        )  # a status of `end_on` is no page
        self.pages += pages
        self.records += pending.rows
        for change in group.changes:
            ctx.emit(SchemaChanged(ctx.run_id, change.table, change.column, change.before, change.after))
        refused: Sequence[Rejected] = [*group.rejected, *receipt.rejected]
        self.rejected += len(refused)
        for (table, reason), n in Counter((r.table, r.reason) for r in refused).items():
            ctx.emit(RecordsRejected(ctx.run_id, table, n, reason))
        last = group.advances[-1].at if group.advances else None
        ctx.emit(
            BatchCommitted(
                ctx.run_id,
                step,
                pages,
                receipt.rows,
                last.cursor_next if last else None,
                last.page_number if last else 0,
                receipt.seconds,
                last.memo.get("total") if last and len(group.advances) == 1 else None,
                len(group.slices),
            )
        )
