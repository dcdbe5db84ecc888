"""How fast requests leave: one :class:`Throttle` per source and credential.

Two rules hold at once. Pacing (GCRA) spreads requests evenly with a small burst; the window log
guarantees that no window of ``per_seconds`` holds more than ``requests`` *as the server sees them*: a
request counts from when it went onto the wire (:func:`leaves`), since opening a connection takes several round trips.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

from headrace.core.clock import Clock
from headrace.sources.ratelimit import RateLimit

DEFAULT_PER_SECOND = 10.0
_SHOWN = 0.5  # shorter waits are pacing: telling of each would be noise
_SLOWEST = 1 / 60  # requests per second that refusals may slow down to
_MOST_JITTER = 0.02  # share of the window that the way to the server may vary by; it costs as much in speed
_LEAST_JITTER = 0.01  # the same where no answer has taken longer than another by as much
_FASTEST = 1000.0  # requests per second; no API enforces a faster limit
_ANSWERS = 200  # the last answers, of which that is said; before there are as many as in a window nothing is said
_NOTHING = 1e-6  # a wait that a float clock may not even show
_BURST_SECONDS = 0.05  # at high rates timers are coarser than the spacing


class BudgetSpent(Exception):
    """``rate_limit.budget`` is used up. Not an error: the fetch loop stops cleanly, status ``partial``."""

    def __init__(self, budget: int) -> None:
        super().__init__(f"the budget of {budget} requests is used up")
        self.budget = budget


@dataclass(slots=True)
class Seat:
    """One request that was let through."""

    throttle: Throttle
    left: bool = False
    left_at: float = 0.0


_seat: ContextVar[Seat | None] = ContextVar("headrace_seat", default=None)


def leaves() -> None:
    """For transports: this task's request goes onto the wire now. One that never says so counts from its end."""
    seat = _seat.get()
    if seat is not None:
        seat.throttle._note(seat)


class SharedLimit(Protocol):
    """One limit for several processes."""

    def reserve(self, requests: int, per_seconds: float, burst: int = 0) -> float:
        """Count one more request, atomically over all processes; returns the seconds until it may go
        so that no window of ``per_seconds`` holds more than ``requests``, and its ``burst / requests``
        no more than ``burst``."""
        ...


class Throttle:
    """Rate, concurrency and budget of one source and credential, and what its answers taught.

    ``on_wait(seconds, reason)`` hears of waits of half a second and more.
    """

    def __init__(
        self,
        limit: RateLimit,
        clock: Clock,
        shared: SharedLimit | None = None,
        on_wait: Callable[[float, str], None] | None = None,
    ) -> None:
        self._limit, self._clock, self._shared, self._on_wait = limit, clock, shared, on_wait
        if limit.requests is not None and limit.per_seconds is not None:
            self._requests, self._period = limit.requests, limit.per_seconds
        else:
            rate = limit.requests_per_second or DEFAULT_PER_SECOND
            self._requests = max(1, math.floor(rate))
            self._period = self._requests / rate
        self._base = self._rate = self._requests / self._period
        self._step = 0.0
        self._burst = 1
        if self._requests >= 5:
            self._burst = min(self._requests // 5 + 1, max(2, math.ceil(_BURST_SECONDS * self._base)))
        self._due = -math.inf  # when the next request would be due at an even pace
        self._sent: deque[float] = deque()  # when the requests left that the window may still hold
        self._leaving = 0  # let through, but still connecting: they may leave at any moment
        self._resume_at, self._resume_why = -math.inf, ""
        self._slowed_at = -math.inf
        self._took: deque[float] = deque(maxlen=_ANSWERS)
        self._jitter = _MOST_JITTER
        self._turn = asyncio.Lock()
        self._left = asyncio.Event()
        self._seats = asyncio.Semaphore(limit.concurrency)
        self.used = 0
        """Requests that were let through."""

    @property
    def rate(self) -> float:
        """Requests per second by now: what the file allows, or less after refusals."""
        return self._rate

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait for a turn, then hold a seat while the request runs. Raises BudgetSpent."""
        async with self._seats:
            async with self._turn:
                await self._wait_for_turn()
            seat = Seat(self)
            token = _seat.set(seat)
            try:
                yield
            finally:
                _seat.reset(token)
                if not seat.left:
                    self._note(seat)
                else:
                    self._answered(self._clock.monotonic() - seat.left_at)

    def _note(self, seat: Seat) -> None:
        if not seat.left:
            seat.left = True
            self._leaving -= 1
        seat.left_at = self._clock.monotonic()
        self._sent.append(seat.left_at)
        self._left.set()

    def _answered(self, seconds: float) -> None:
        """The way to the server varies by no more than the whole time from a request to its answer does."""
        took = self._took
        took.append(seconds)
        if len(took) < min(self._requests, _ANSWERS) or self._base > _FASTEST:
            return
        varies = (max(took) - min(took)) / self._period
        self._jitter = min(_MOST_JITTER, max(_LEAST_JITTER, varies))

    async def _wait_for_turn(self) -> None:
        limit = self._limit
        if limit.budget is not None and self.used >= limit.budget:
            raise BudgetSpent(limit.budget)
        now = await self._pass()
        if self._shared is not None:
            # Reserved last: what is counted there is sent, unless the process dies.
            period = self._requests / self._rate * (1 + _MOST_JITTER)
            await self._sleep(self._shared.reserve(self._requests, period, self._burst), "rate limit (shared)")
            now = await self._pass()
        spacing = 1 / self._rate
        self._due = max(self._due, now - (self._burst - 1) * spacing) + spacing
        self._leaving += 1
        self.used += 1

    async def _pass(self) -> float:
        """Wait until neither pause nor pace nor window holds; returns the time."""
        told = False
        while True:
            now = self._clock.monotonic()
            wait, why = self._held(now)
            if wait < _NOTHING:
                return now
            if not told and wait >= _SHOWN and self._on_wait is not None and wait < math.inf:
                self._on_wait(wait, why or "rate limit")
                told = True
            if wait == math.inf:
                self._left.clear()
                await self._left.wait()
            else:
                await self._clock.sleep(wait)

    def _held(self, now: float) -> tuple[float, str]:
        """Seconds until the next request may go, and why if the API itself asked for it; infinite: when
        one that is connecting has left."""
        if self._resume_at > now:
            return self._resume_at - now, self._resume_why
        wait = self._due - now
        sent = self._sent
        gone = now - self._period * (1 + self._jitter)
        while sent and sent[0] <= gone:
            sent.popleft()
        excess = len(sent) + self._leaving - self._requests
        if excess >= 0:
            wait = max(wait, sent[excess] - gone) if excess < len(sent) else math.inf
        return wait, ""

    async def _sleep(self, seconds: float, why: str) -> None:
        if seconds <= 0:
            return
        if seconds >= _SHOWN and self._on_wait is not None:
            self._on_wait(seconds, why)
        await self._clock.sleep(seconds)

    def pause(self, seconds: float, why: str) -> None:
        """Nothing goes for ``seconds`` from now (a longer pause stays)."""
        until = self._clock.monotonic() + seconds
        if until > self._resume_at:
            self._resume_at, self._resume_why = until, why

    def refused(self, sent_at: float) -> None:
        """A request sent at ``sent_at`` (monotonic) was refused for the rate: go at half the pace."""
        if sent_at < self._slowed_at:
            return  # left before the last cut: no news
        now = self._clock.monotonic()
        pace = self._rate
        if len(self._sent) > 1 and now > self._sent[0]:
            pace = min(pace, len(self._sent) / (now - self._sent[0]))
        self._rate = max(min(_SLOWEST, self._base), pace / 2)
        self._step = self._rate / 50
        self._slowed_at = now

    def succeeded(self) -> None:
        """A request went through: back towards the pace that the file allows."""
        if self._rate < self._base:
            self._rate = min(self._base, self._rate + self._step)
