"""The throttle against servers that count, in simulated time."""

from __future__ import annotations

import asyncio
import heapq
import random
import time
from collections.abc import Callable

import pytest

from headrace.core.clock import SystemClock
from headrace.sources.ratelimit import RateLimit
from headrace.sources.throttle import BudgetSpent, Throttle, leaves
from headrace.state.store import StateStore


class SimulatedClock(SystemClock):
    """Time that jumps to the next sleeper whenever all tasks wait."""

    def __init__(self) -> None:
        self.time = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    def now(self) -> int:
        return 1_790_000_000_000_000 + round(self.time * 1e6)

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._sleepers, (self.time + seconds, self._count, future))
        await future

    async def run(self, *tasks: asyncio.Task[None]) -> None:
        while not all(task.done() for task in tasks):
            for _ in range(12):
                await asyncio.sleep(0)
            while self._sleepers:
                at, _, future = heapq.heappop(self._sleepers)
                if not future.done():
                    self.time = max(self.time, at)
                    future.set_result(None)
                    break
        await asyncio.gather(*tasks)


Latency = Callable[[int], tuple[float, float, float]]
"""Of the n-th request: seconds to connect, to the server, and there and back."""


async def crawl(limit: RateLimit, latency: Latency, count: int, workers: int) -> tuple[list[float], float]:
    """When each of ``count`` requests arrived, and how long all took."""
    clock = SimulatedClock()
    throttle = Throttle(limit, clock)
    arrivals: list[float] = []
    left = iter(range(count))

    async def worker() -> None:
        while (number := next(left, None)) is not None:
            async with throttle.slot():
                connect, there, back = latency(number)
                await clock.sleep(connect)
                leaves()
                await clock.sleep(there)
                arrivals.append(clock.time)
                await clock.sleep(back)

    await clock.run(*(asyncio.create_task(worker()) for _ in range(workers)))
    return arrivals, clock.time


def fullest_window(arrivals: list[float], seconds: float) -> int:
    at = sorted(arrivals)
    first = most = 0
    for last, moment in enumerate(at):
        while moment - at[first] >= seconds - 1e-9:
            first += 1
        most = max(most, last - first + 1)
    return most


def refusals_of_a_token_bucket(arrivals: list[float], rate: float, capacity: float) -> int:
    tokens, last, refused = capacity, 0.0, 0
    for moment in sorted(arrivals):
        tokens, last = min(capacity, tokens + (moment - last) * rate), moment
        if tokens >= 1 - 1e-9:
            tokens -= 1
        else:
            refused += 1
    return refused


LIMITS = [
    (RateLimit(concurrency=1), 10, 1.0),
    (RateLimit(concurrency=8), 10, 1.0),
    (RateLimit(requests=100, per_seconds=60, concurrency=8), 100, 60.0),
    (RateLimit(requests=20, per_seconds=10, concurrency=30), 20, 10.0),
    (RateLimit(requests_per_second=200, concurrency=16), 200, 1.0),
    (RateLimit(requests_per_second=2, concurrency=3), 2, 1.0),
    (RateLimit(requests_per_second=0.5, concurrency=3), 1, 2.0),
]


@pytest.mark.parametrize(("limit", "requests", "seconds"), LIMITS)
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_no_window_as_the_server_sees_it_holds_more(
    limit: RateLimit, requests: int, seconds: float, seed: int
) -> None:
    dice = random.Random(seed)
    jitter = 0.019 * seconds

    def latency(number: int) -> tuple[float, float, float]:
        connect = 0.3 if number < limit.concurrency else 0.0  # the first requests open their connections
        stalled = 0.5 if dice.random() < 0.02 else 0.0
        return connect, 0.02 + dice.random() * jitter, 0.03 + stalled + dice.random()

    count = min(6 * requests + 40, 700)
    arrivals, _ = await crawl(limit, latency, count, limit.concurrency)
    assert len(arrivals) == count
    assert fullest_window(arrivals, seconds) <= requests
    assert refusals_of_a_token_bucket(arrivals, requests / seconds, requests) == 0


@pytest.mark.parametrize(("limit", "requests", "seconds"), LIMITS)
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_a_steady_way_needs_a_smaller_margin(limit: RateLimit, requests: int, seconds: float, seed: int) -> None:
    dice = random.Random(seed)
    arrivals, took = await crawl(
        limit,
        lambda _: (0.0, 0.002 + dice.random() * 0.0095 * seconds, 0.003),
        count := 12 * requests,
        limit.concurrency,
    )
    assert fullest_window(arrivals, seconds) <= requests
    if limit.concurrency > 1 and requests > 1:
        assert took < seconds * (count / requests) * 1.014


async def test_the_margin_grows_as_soon_as_an_answer_is_late() -> None:
    limit = RateLimit(requests_per_second=50, concurrency=8)
    dice = random.Random(1)

    def latency(number: int) -> tuple[float, float, float]:
        return 0.0, 0.002 + (dice.random() * 0.019 if number >= 300 else 0.0), 0.3 if number == 290 else 0.003

    arrivals, _ = await crawl(limit, latency, 900, limit.concurrency)
    assert fullest_window(arrivals, 1.0) <= 50


@pytest.mark.parametrize(("limit", "requests", "seconds"), LIMITS)
async def test_the_allowed_pace_is_used(limit: RateLimit, requests: int, seconds: float) -> None:
    count = 8 * requests
    _, took = await crawl(limit, lambda _: (0.0, 0.002, 0.003), count, limit.concurrency)
    assert took <= seconds * (count / requests) * 1.03 + 0.01


async def test_one_at_a_time_is_not_held_below_ten_a_second() -> None:
    dice = random.Random(1)
    _, took = await crawl(RateLimit(), lambda _: (0.0, 0.02, dice.choice([0.02, 0.1])), 200, 1)
    assert took < 200 / 10 * 1.04
    _, took = await crawl(RateLimit(), lambda _: (0.0, 0.1, 0.2), 50, 1)
    assert took == pytest.approx(50 * 0.3)


async def test_bursts_are_small() -> None:
    arrivals, _ = await crawl(
        RateLimit(requests=100, per_seconds=60, concurrency=100), lambda _: (0.0, 0.0, 0.01), 100, 100
    )
    assert fullest_window(arrivals, 1.0) <= 3


async def test_the_budget_is_exact_among_many_workers() -> None:
    throttle = Throttle(RateLimit(budget=5, concurrency=4, requests_per_second=1e6), SystemClock())

    async def one() -> bool:
        try:
            async with throttle.slot():
                await asyncio.sleep(0)
                return True
        except BudgetSpent:
            return False

    assert sum(await asyncio.gather(*(one() for _ in range(9)))) == 5


async def test_a_pause_holds_everybody_and_is_told(clock) -> None:
    told: list[tuple[float, str]] = []
    throttle = Throttle(RateLimit(concurrency=2), clock, on_wait=lambda *told_now: told.append(told_now))
    throttle.pause(30, "429")
    throttle.pause(5, "later, but shorter")
    start = clock.time
    async with throttle.slot():
        assert clock.time == start + 30
    assert told == [(30, "429")]


async def test_refusals_halve_the_pace_once_and_success_brings_it_back(clock) -> None:
    throttle = Throttle(RateLimit(requests_per_second=10), clock)
    throttle.refused(clock.time)
    assert throttle.rate == 5
    throttle.refused(clock.time - 1)  # was in flight at the cut
    assert throttle.rate == 5
    sent = []
    for _ in range(6):
        async with throttle.slot():
            sent.append(clock.time)
    assert sent[-1] - sent[1] == pytest.approx(4 / 5)
    for _ in range(49):
        throttle.succeeded()
    assert 5 < throttle.rate < 10
    throttle.succeeded()
    throttle.succeeded()
    assert throttle.rate == 10
    for _ in range(30):
        clock.time += 1
        throttle.refused(clock.time)
    assert throttle.rate == pytest.approx(1 / 60)


async def test_a_refusal_slows_down_what_was_really_sent(clock) -> None:
    throttle = Throttle(RateLimit(requests_per_second=1e6), clock)
    for _ in range(50):
        async with throttle.slot():
            clock.time += 0.02
    throttle.refused(clock.time)
    assert 20 < throttle.rate < 30  # half of 50 per second, not of a million


class SharedStub:
    def __init__(self) -> None:
        self.asked: list[tuple[int, float, int]] = []

    def reserve(self, requests: int, per_seconds: float, burst: int = 0) -> float:
        self.asked.append((requests, per_seconds, burst))
        return 2.5 * (len(self.asked) - 1)


async def test_a_shared_limit_is_asked_once_per_request_and_kept_to(clock) -> None:
    shared = SharedStub()
    throttle = Throttle(RateLimit(requests=20, per_seconds=10), clock, shared)
    start = clock.time
    for wait in (0, 2.5, 7.5):
        async with throttle.slot():
            assert clock.time == pytest.approx(start + wait)
    assert shared.asked == [(20, pytest.approx(10.2), 2)] * 3  # with room for the way to the server


async def test_two_processes_keep_to_one_limit(tmp_path) -> None:
    clock = SimulatedClock()
    store = StateStore(tmp_path, clock=clock)
    limit = RateLimit(requests=20, per_seconds=10)
    throttles = [Throttle(limit, clock, store.limit("acme")) for _ in range(2)]
    arrivals: list[float] = []
    dice = random.Random(1)

    async def process(throttle: Throttle) -> None:
        for _ in range(50):
            async with throttle.slot():
                await clock.sleep(dice.random() * 0.19)
                arrivals.append(clock.time)

    await clock.run(*(asyncio.create_task(process(throttle)) for throttle in throttles))
    store.close()
    assert len(arrivals) == 100
    assert fullest_window(arrivals, 10) == 20
    assert clock.time < 52


async def test_cancelling_a_waiter_gives_its_turn_away() -> None:
    throttle = Throttle(RateLimit(requests_per_second=100, concurrency=1), SystemClock())

    async def one() -> None:
        async with throttle.slot():
            pass

    async with throttle.slot():
        waiting = asyncio.create_task(one())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    async with asyncio.timeout(5):
        await one()


async def test_a_high_limit_costs_next_to_nothing() -> None:
    throttle = Throttle(RateLimit(requests_per_second=1e7), SystemClock())
    best = 1.0
    for _ in range(5):
        started = time.process_time()
        for _ in range(2000):
            async with throttle.slot():
                pass
        best = min(best, (time.process_time() - started) / 2000)
    assert best < 20e-6
