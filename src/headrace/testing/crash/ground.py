"""A crawl that is struck again and again, each time into a copy of the database it begins with."""

from __future__ import annotations

import random
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

from headrace.testing.crash.crawl import Crawl, Violation, running
from headrace.testing.crash.outcome import Outcome
from headrace.testing.crash.result import Result
from headrace.testing.crash.strikes import After, Strike
from headrace.testing.crash.survive import Asked, survive


@dataclass(frozen=True)
class Ground:
    """A crawl to strike: what it leaves, and where its next copy begins."""

    crawl: Crawl
    expected: Outcome
    fresh: Callable[[], Crawl]
    drop: Callable[[Crawl], None]
    asked: Asked
    in_flight: int
    exact: bool
    seconds: float
    """How long an undisturbed run takes, once it has begun."""


def strike_all(ground: Ground, strikes: deque[Strike], result: Result, draw: random.Random) -> None:
    """Strike crawls, each into a database of its own, until ``strikes`` is empty. A kill that never strikes is made
    up for by one at a random instant."""
    while strikes:
        before = len(strikes)
        first = strikes[0]
        waiting = Counter(strike.kind for strike in strikes)
        crawl = ground.fresh()
        try:
            result.figures += survive(
                crawl,
                strikes,
                expected=ground.expected,
                asked=ground.asked,
                in_flight=ground.in_flight,
                exact=ground.exact,
            )
        except Violation as broken:
            result.violations.append(str(broken))
            if len(strikes) == before:
                strikes.popleft()
        else:
            ground.drop(crawl)
        result.struck += waiting - Counter(strike.kind for strike in strikes)
        if strikes and strikes[0] is first:
            strikes.popleft()
            if isinstance(first, After) or "SIGKILL at" in first.kind:
                strikes.append(After(draw.uniform(0, ground.seconds / 2)))
            else:
                result.missed[first.kind] += 1


def timed(crawl: Crawl) -> float:
    """Run ``crawl`` to its end; the seconds since it began. Raises :class:`Violation` where that is not done."""
    with running(crawl) as one:
        one.begun.wait()
        began = time.monotonic()
        ended = one.ended()
    if ended.exit_code:
        raise Violation(f"left alone, it ended with {ended.exit_code}:\n{ended.log}")
    return time.monotonic() - began
