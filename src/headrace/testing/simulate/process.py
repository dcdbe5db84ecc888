"""One process of a crawl: its context over the simulated seams, from its first step to its death."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from headrace.core.contracts import Secret
from headrace.core.errors import HeadraceError
from headrace.core.events import BatchCommitted, Event, PageFetched
from headrace.core.tables import RunRecord, RunStatus
from headrace.crawl.context import RunContext
from headrace.crawl.extract import crawl
from headrace.runner.database import SessionThread, open_session
from headrace.secrets.mask import Masker
from headrace.testing.simulate.cache import DiskCache, MemoryCache
from headrace.testing.simulate.loop import Vanished
from headrace.testing.simulate.place import Opening
from headrace.testing.simulate.scenario import RUN, SCOPE
from headrace.testing.simulate.seams import Seams
from headrace.testing.simulate.watch import Watched

if TYPE_CHECKING:
    from headrace.testing.simulate.account import Stream
    from headrace.testing.simulate.world import World

_SECRET = Secret("", {"client_id": "simulated", "client_secret": "simulated-secret"})


class Process:
    """A process, as the loop owns it; it listens to the events of its own crawl."""

    def __init__(self, world: World, number: int) -> None:
        self.world, self.number = world, number
        self.dead = self.frozen = False
        self.parked: deque[Any] = deque()
        self.tasks: list[asyncio.Task[Any]] = []
        self.works: list[asyncio.Future[Any]] = []
        self.main: asyncio.Task[RunStatus] | None = None
        self.dies_at_step = self.dies_at_point = 0
        self.freezes = False
        self.overlapped = any(other.main and not other.main.done() for other in world.processes)
        for other in world.processes:
            other.overlapped = other.overlapped or not (other.main is None or other.main.done())
        self.found: Mapping[Stream, int] = dict(world.account.committed)
        self.found_ended = frozenset(world.account.ended)
        self.open: dict[str, str] = {}
        """Key and slot of the page requests that are made and not in the cache yet."""
        self.error: HeadraceError | None = None
        self.faults = 0
        self._stop = asyncio.Event()
        self._cache: MemoryCache | DiskCache | None = None
        self._in_hand = self._largest = self.to_be_committed = 0
        self.seams = Seams(self)

    @property
    def over(self) -> bool:
        return self.main is not None and self.main.done()

    def tick(self) -> None:
        if self.dies_at_step:
            self.dies_at_step -= 1
            if not self.dies_at_step:
                self.doom()

    def pass_point(self) -> None:
        if self.dies_at_point:
            self.dies_at_point -= 1
            if not self.dies_at_point:
                self.doom()
                raise Vanished

    def doom(self) -> None:
        """Die now, or be frozen and go on later."""
        world = self.world
        if self.dead or self.over or not world.deaths_left:
            return
        world.deaths_left -= 1
        if self.freezes:
            self.freezes = False
            self.frozen = True
            world.note(self.number, "is frozen")
            world.loop.pause()
            world.loop.call_later(world.random.random() * 4, self._go_on)
            return
        self.vanish()

    def vanish(self) -> None:
        self.world.deaths += 1
        self.world.note(self.number, f"dies with {len(self.open)} requests in flight")
        self.world.account.again.update(self.open.keys())
        self.open.clear()
        if self._cache is not None:
            self._cache.vanish()
        self.world.loop.vanish(self)

    def _go_on(self) -> None:
        if self.frozen and not self.dead:
            self.world.note(self.number, "goes on")
            self.world.loop.thaw(self)

    def ask_to_stop(self) -> None:
        if not (self.dead or self.over):
            self.world.note(self.number, "is asked to stop")
            self._stop.set()

    async def run(self) -> RunStatus:
        """As the runner does it: the record, the steps, the record."""
        world = self.world
        opening: Any = Opening(Watched(world.place.session(), self), world.place.capabilities)
        async with open_session(opening) as database:
            record = await database.call(lambda s: s.run(RUN))
            if record is None:
                await database.call(lambda s: s.save_run(self._record("running")))
            elif record.status == "done":
                return "done"
            cache = self._cache = self._open_cache()
            try:
                status = await self._steps(self._context(database, cache, resumed=record is not None))
            except HeadraceError as error:
                self.error, status = error, "failed"
            finally:
                if cache is not None:
                    cache.close()
            await database.call(lambda s: s.save_run(self._record(status)))
            if status == "done" and cache is not None:
                cache.close(remove=True)
            return status

    def _open_cache(self) -> MemoryCache | DiskCache | None:
        world = self.world
        if world.scenario.cache == "none":
            return None
        if world.folder is not None:
            return DiskCache(world.folder, RUN, self._lives, self._cached)
        return MemoryCache(world.disk, self._lives, self._cached, 4)

    def _lives(self) -> bool:
        return not self.dead

    def _cached(self, key: str) -> None:
        self.open.pop(key, None)

    def check_alive(self) -> None:
        """Raises Vanished."""
        if self.dead:
            raise Vanished

    async def _steps(self, ctx: RunContext) -> RunStatus:
        for plan in self.world.plans:
            result = await crawl(plan, ctx)
            self.emit(result)
            if result.status != "done":
                return result.status
        return "done"

    def _record(self, status: RunStatus) -> RunRecord:
        now = self.seams.now()
        return RunRecord(RUN, "simulated", "default", status, {}, {}, "", "", SCOPE, now, now)

    def _context(self, database: SessionThread, cache: MemoryCache | DiskCache | None, *, resumed: bool) -> RunContext:
        s = self.world.scenario
        return RunContext(
            run_id=RUN,
            pipeline="simulated",
            org="default",
            scope=SCOPE,
            params={},
            now=self.seams.now(),
            lookup=_unknown,
            database=database,
            transport=self.seams,
            clock=self.seams,
            emit=self.emit,
            secret=lambda _: _SECRET,
            masker=Masker(),
            tokens=self.seams,
            cache=cache,  # type: ignore[arg-type]  # what a crawl uses of it
            shared_limit=None,
            last_complete=lambda _: None,
            stop=self._stop,
            page_limit=s.page_limit,
            resumed=resumed,
            mapper=self.world.place.mapper,
        )

    def emit(self, event: Event | Any) -> None:
        if self.dead:
            return
        self.world.note(self.number, event)
        if isinstance(event, PageFetched):
            size = event.bytes + 512
            self._largest = max(size, self._largest)
            self._in_hand += size
            s = self.world.scenario
            streams = s.side_by_side if s.sliced else 1
            if self._in_hand > max(s.bytes_bound, self._largest) + streams * self._largest:
                self.world.violate(f"{self._in_hand} bytes on the way, where {s.bytes_bound} are allowed")
        elif isinstance(event, BatchCommitted):
            self._in_hand -= self.to_be_committed
            self.to_be_committed = 0


def _unknown(name: str) -> Any:
    raise KeyError(name)
