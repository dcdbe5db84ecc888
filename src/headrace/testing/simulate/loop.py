"""An event loop with a clock of its own: what happens, and in which order, is a function of the seed alone."""

from __future__ import annotations

import asyncio
import heapq
from asyncio import events
from collections import deque
from collections.abc import Callable, Iterable
from contextvars import Context, ContextVar, copy_context
from itertools import count
from typing import Any, Protocol, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_TICK = 1e-7
"""Seconds that pass from timer to timer: a clock that stood still could not show that a tiny wait is over."""


class Vanished(BaseException):
    """The process that runs this code is no more; no code of it may catch it as an error."""


class Owner(Protocol):
    """A simulated process, as the loop knows it."""

    dead: bool
    frozen: bool
    parked: deque[Any]
    tasks: list[asyncio.Task[Any]]
    works: list[asyncio.Future[Any]]

    def tick(self) -> None:
        """Called before each callback."""
        ...


OWNER: ContextVar[Owner | None] = ContextVar("simulated_process", default=None)


class Stuck(Exception):
    """Nothing is left to do, or no end is in sight."""


class _Handle:
    """A callback that is to be run."""

    __slots__ = ("args", "callback", "context", "gone")

    def __init__(self, callback: Any, args: tuple[Any, ...], context: Context | None) -> None:
        self.callback, self.args, self.context = callback, args, context or copy_context()
        self.gone = False

    def cancel(self) -> None:
        self.gone = True

    def cancelled(self) -> bool:
        return self.gone


class _Numbered:
    """Sets of tasks are walked in order of hashes: addresses would make each run another one."""

    number: int

    def __hash__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        return self is other


class _Task(_Numbered, asyncio.Task[Any]):
    pass


class _Future(_Numbered, asyncio.Future[Any]):
    pass


class SimulatedLoop(asyncio.AbstractEventLoop):
    """Runs callbacks in the order asked for, moves its clock to the next timer when there is none, and
    does the work of every thread itself: at one instant, with a delay before and after it."""

    def __init__(self, delay: Callable[[], float]) -> None:
        self.problems: list[str] = []
        self._delay = delay
        self._now = 0.0
        self._paused = False
        self._ready: deque[_Handle] = deque()
        self._timers: list[tuple[float, int, _Handle]] = []
        self._numbers = count(1)
        self._busy_until: dict[Any, float] = {}

    def run(self, most: int) -> None:
        """Until :meth:`pause`. Raises Stuck when that will never be, or takes more than ``most`` callbacks."""
        before = events._get_running_loop()
        events._set_running_loop(self)
        self._paused = False
        ready = self._ready
        try:
            while not self._paused:
                if not ready:
                    self._advance()
                    continue
                handle = ready.popleft()
                if handle.gone:
                    continue
                owner = handle.context.get(OWNER)
                if owner is not None:
                    if owner.frozen:
                        owner.parked.append(handle)
                        continue
                    owner.tick()
                try:
                    handle.context.run(handle.callback, *handle.args)
                except Exception as error:
                    self.problems.append(f"{handle.callback!r} raised {error!r}")
                most -= 1
                if most < 0:
                    raise Stuck("no end is in sight")
        finally:
            events._set_running_loop(before)

    def drain(self, owners: Iterable[Owner], most: int) -> None:
        """End whatever is left of ``owners``, so that nothing unwinds when it is thrown away."""
        for owner in owners:
            self.vanish(owner)
        self.call_soon(self._pause_when_idle)
        self.run(most)

    def _pause_when_idle(self) -> None:
        if self._ready:
            self.call_soon(self._pause_when_idle)
        else:
            self.pause()

    def close(self) -> None:
        """Let go of everything: locks that outlive a run remember the loop they were used on."""
        self._delay = float
        self._ready.clear()
        self._timers.clear()
        self._busy_until.clear()

    def pause(self) -> None:
        """Let :meth:`run` return after this callback."""
        self._paused = True

    def _advance(self) -> None:
        while self._timers:
            when, _, handle = heapq.heappop(self._timers)
            if not handle.gone:
                self._now = max(self._now, when) + _TICK
                self._ready.append(handle)
                return
        raise Stuck("every task waits for another one")

    def vanish(self, owner: Owner) -> None:
        """End every task of ``owner`` now. Its code still unwinds, but touches nothing any more."""
        owner.dead = True
        owner.frozen = False
        self._ready.extend(owner.parked)
        owner.parked.clear()
        for work in owner.works:
            work.cancel()
        for task in owner.tasks:
            task.cancel()

    def thaw(self, owner: Owner) -> None:
        """Let a process that was stopped go on, as if no time had passed for it."""
        owner.frozen = False
        self._ready.extend(owner.parked)
        owner.parked.clear()

    def time(self) -> float:
        return self._now

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_soon(self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None) -> Any:
        handle = _Handle(callback, args, context)
        self._ready.append(handle)
        return handle

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> Any:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> Any:
        handle = _Handle(callback, args, context)
        heapq.heappush(self._timers, (when, next(self._numbers), handle))
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        future = _Future(loop=self)
        future.number = next(self._numbers)
        return future

    def create_task(self, coro: Any, *, name: str | None = None, context: Context | None = None) -> asyncio.Task[Any]:
        number = next(self._numbers)
        task = _Task.__new__(_Task)
        task.number = number  # asyncio puts it into a set while it is being made
        task.__init__(coro, loop=self, name=name or coro.__qualname__, context=context)  # type: ignore[misc]  # see above
        owner = OWNER.get()
        if owner is not None:
            owner.tasks.append(task)
            if owner.dead:
                task.cancel()
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if error is not None and not isinstance(error, Vanished) and "never retrieved" not in context["message"]:
            self.problems.append(f"{context['message']}: {error!r}")

    def run_in_executor(self, executor: Any, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """The work waits for its thread, is done at one instant, and is heard of later."""
        owner = OWNER.get()
        if owner is not None and owner.dead:
            raise Vanished
        future = self.create_future()
        start = max(self._now, self._busy_until.get(executor, 0.0)) + self._delay()
        end = start + self._delay()
        if executor is not None:
            self._busy_until[executor] = end
        if owner is not None:
            owner.works.append(future)
        self.call_at(start, self._work, future, func, args, end)
        return future

    def _work(self, future: asyncio.Future[Any], func: Any, args: Any, end: float) -> None:
        owner = OWNER.get()
        if future.done() or (owner is not None and owner.dead):
            return
        try:
            result = func(*args)
        except Vanished:
            return
        except BaseException as error:
            self.call_at(end, _fail, future, error)
        else:
            self.call_at(end, _settle, future, result)


def _settle(future: asyncio.Future[Any], result: Any) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[Any], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
