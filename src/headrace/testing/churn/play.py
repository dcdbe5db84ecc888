"""Play one seed: call after call, and after each a look at the rows that count as removed."""

from __future__ import annotations

import asyncio
from collections import Counter
from concurrent.futures import Executor, Future
from contextlib import ExitStack
from dataclasses import dataclass
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from headrace.core.contracts import Destination
from headrace.core.errors import HeadraceError
from headrace.core.tables import RunRecord
from headrace.crawl.context import LastComplete, RunContext
from headrace.crawl.extract import crawl
from headrace.crawl.plan import CrawlResult
from headrace.destinations import from_url
from headrace.runner.database import SessionThread
from headrace.secrets.mask import Masker
from headrace.sources.session import MemoryTokens
from headrace.testing.churn.api import Api, Trouble
from headrace.testing.churn.compare import Comparison
from headrace.testing.churn.history import TABLE, Database, History, draw, plan
from headrace.testing.churn.records import Records
from headrace.testing.churn.run import Run
from headrace.testing.simulate.cache import MemoryCache
from headrace.testing.simulate.place import Opening

_OPEN = ("partial", "failed", "interrupted", "killed")


@dataclass
class Outcome:
    """How a seed ended. ``counts`` says what happened how often; ``right``, ``wrong`` and ``lost`` are rows that
    count as removed and are, that do and are not, that do not and are, summed over all looks."""

    history: History
    counts: Counter[str]
    right: int
    wrong: int
    lost: int
    violations: tuple[str, ...]
    log: tuple[str, ...]


class _Inline(Executor):
    """Does at once what it is given: one thread is all there is."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except BaseException as error:
            done.set_exception(error)
        return done


def play(seed: int, database: Database = "memory") -> Outcome:
    """The same seed gives the same history."""
    history = draw(seed, database)
    with ExitStack() as held, asyncio.Runner() as runner:
        if database == "memory":
            destination = from_url("sqlite:///:memory:")
        else:
            folder = held.enter_context(TemporaryDirectory(prefix="headrace-churn-"))
            destination = from_url(f"{database}:///{folder}/churn.db")
        world = _World(history, destination, held)
        for number in range(history.steps):
            runner.run(world.step(number))
            if world.compared.violations:
                break
    found = world.compared
    return Outcome(
        history, world.counts, found.right, found.wrong, found.lost, tuple(found.violations), tuple(world.log)
    )


class _World:
    def __init__(self, history: History, destination: Destination, held: ExitStack) -> None:
        self._history = history
        self._dice = Random(history.seed ^ 0xC4)  # noqa: S311 - a seed, not a secret
        self._api = Api(history, self._dice, Records(self._dice))
        for _ in range(history.population):
            self._api.records.add()
        self._session = held.enter_context(destination.open())
        opened = Opening(self._session, destination.capabilities())
        self._opening: Destination = opened  # type: ignore[assignment]  # stands for one that is open
        self._database = SessionThread(self._opening, _Inline())
        self._runs: list[Run] = []
        self._last: dict[str, LastComplete] = {}
        self.counts: Counter[str] = Counter()
        self.compared = Comparison(history, self._api, self._session, self.counts)
        self.log: list[str] = []

    async def step(self, number: int) -> None:
        r = self._dice
        if number == 0:
            await self._database.open(self._opening)
        self._api.records.churn(self._history.churn)
        open_runs = [run for run in self._runs if run.status in _OPEN]
        suspects = [run for run in self._runs if run.status == "suspect"]
        held = sorted({each.run_id for each in self._session.removals() if each.status == "held"})
        what = r.random()
        if held and what < 0.15:
            self._decide(r.choice(held))
        elif suspects and what < 0.3:
            await self._call(r.choice(suspects), Trouble(), accepted=True)
        elif open_runs and what < 0.55:
            await self._call(r.choice(open_runs), self._trouble(), accepted=False)
        else:
            capped = r.random() < 0.1
            scope = r.choice(sorted(self._history.scopes))
            run = Run(
                f"run-{number:02}", scope, self._api.now(), r.randint(1, 4) if capped else 10_000, r.random() < 0.08
            )
            self._api.records.tick()
            self._runs.append(run)
            await self._call(run, self._trouble(), accepted=False)
        self.compared.look()

    def _trouble(self) -> Trouble:
        r = self._dice
        at = r.randint(1, 6)
        what = r.random()
        return Trouble(
            fails_at=at if what < 0.12 else 0,
            failing_group=r.choice("abcd") if 0.12 < what < 0.2 else "",
            stops_at=at if 0.2 < what < 0.27 else 0,
            dies_at=at if 0.27 < what < 0.37 else 0,
            empty=0.37 < what < 0.4,
        )

    async def _call(self, run: Run, trouble: Trouble, *, accepted: bool) -> None:
        h, api, r = self._history, self._api, self._dice
        api.trouble, api.asked = trouble, 0
        trouble.lies = run.lies
        run.misled = run.misled or trouble.empty or run.lies
        stop = asyncio.Event()
        task = asyncio.current_task()
        assert task is not None
        trouble.stop, trouble.die = stop.set, task.cancel
        page_limit = r.randint(1, 4) if r.random() < 0.12 and not accepted else None
        budget = r.randint(1, 8) if r.random() < 0.08 and not accepted else None
        planned = plan(h, run.scope, max_pages=run.max_pages, budget=budget, lies=run.lies)
        if run.calls == 0:
            self._session.save_run(_record(run, "running"))
        ctx = self._context(run, stop, page_limit, accepted=accepted)
        run.calls += 1
        self._count("crawls")
        self._count("resumed", run.calls > 1 and not accepted)
        result: CrawlResult | None = None
        try:
            result = await crawl(planned, ctx)
            run.status = result.status
        except HeadraceError as error:
            run.status = "failed"
            self.log.append(f"    {error!r}")
        except asyncio.CancelledError:
            task.uncancel()
            run.status = "killed"
        self._count(run.status)
        self.log.append(f"{run.run_id} {run.scope} call {run.calls}: {run.status} {trouble}")
        self.compared.take_in(run)
        if run.status == "done" and result is not None:
            self._last[run.scope] = LastComplete(run.run_id, result.records)
            self.compared.complete(run)
            self._session.save_run(_record(run, "done"))

    def _context(self, run: Run, stop: asyncio.Event, page_limit: int | None, *, accepted: bool) -> RunContext:
        api = self._api
        cache = MemoryCache(run.disk, lambda: True, lambda key: None, 4)
        return RunContext(
            run_id=run.run_id, pipeline="churn", org="default", scope=run.scope, params={}, now=api.now(),
            lookup=_unknown, database=self._database, transport=api, clock=api, emit=lambda event: None,
            secret=_no_secret, masker=Masker(), tokens=MemoryTokens(),
            cache=cache,  # type: ignore[arg-type]  # what a crawl uses of it
            shared_limit=None, last_complete=lambda step: self._last.get(run.scope), stop=stop, offline=accepted,
            page_limit=page_limit, resumed=run.calls > 0, accepted=accepted,
        )  # fmt: skip

    def _decide(self, run_id: str) -> None:
        confirm = self._dice.random() < 0.6
        self._session.decide_removals(TABLE, run_id, confirm=confirm)
        self._count("confirmed" if confirm else "rejected")
        self.log.append(f"{run_id}: what was held back is {'confirmed' if confirm else 'rejected'}")
        if confirm:
            self.compared.confirm(next(each for each in self._runs if each.run_id == run_id))

    def _count(self, what: str, number: int | bool = 1) -> None:
        self.counts[what] += int(number)


def _record(run: Run, status: Any) -> RunRecord:
    return RunRecord(run.run_id, "churn", "default", status, {}, {}, "", "", run.scope, run.began, run.began)


def _unknown(name: str) -> Any:
    raise KeyError(name)


def _no_secret(reference: Any) -> Any:
    raise AssertionError("nothing here has a secret")
