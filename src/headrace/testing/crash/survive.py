"""Strike a crawl again and again, let it go on, and compare it with one that was left alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Set
from typing import TypeAlias

from headrace.testing.crash.crawl import Attempt, Crawl, Violation, finish, running
from headrace.testing.crash.outcome import Figures, Outcome, committed_requests, compare, outcome
from headrace.testing.crash.strikes import Strike

Asked: TypeAlias = Callable[[], Mapping[str, int]]
"""How often each request (``GET /path?query``) was made so far."""


def undisturbed(crawl: Crawl) -> Outcome:
    """What ``crawl`` gives when it is left alone."""
    finish(crawl)
    return outcome(crawl)


def attempt(crawl: Crawl, strike: Strike | None = None) -> Attempt:
    """Run ``crawl`` in a process of its own until it ends or ``strike`` ends it."""
    if strike is not None:
        return strike.attempt(crawl)
    with running(crawl) as one:
        return one.ended()


def survive(
    crawl: Crawl,
    strikes: deque[Strike],
    *,
    expected: Outcome,
    asked: Asked | None = None,
    in_flight: int = 1,
    exact: bool = True,
) -> Figures:
    """Strike ``crawl`` with each of ``strikes``, one attempt after the other, then let it end and compare.

    What struck is taken from ``strikes``. What did not, since the crawl came to its end before, stays there with
    those behind it: for another crawl, into a database of its own. ``in_flight``: how many requests may be under
    way at once. ``exact``: ``asked`` names each request as the archive does. Raises :class:`Violation` where an
    attempt hangs, or ends as it must not.
    """
    found = Figures()
    count = _Requests(crawl, asked, in_flight, exact)
    while True:
        strike = strikes[0] if strikes else None
        ended = attempt(crawl, strike)
        _check(ended, strike)
        if strike is not None and ended.struck:
            strikes.popleft()
            found += Figures(kills=int(ended.killed), strikes=1)
        found += count.after(strike)
        if ended.exit_code == 0:
            break
    return found + compare(expected, outcome(crawl))


def _check(ended: Attempt, strike: Strike | None) -> None:
    if ended.killed:
        return
    allowed = strike.endings | {0} if strike is not None and ended.struck else {0}
    if ended.exit_code not in allowed or "internal error" in ended.log:
        raise Violation(f"under {strike}, it ended with {ended.exit_code}:\n{ended.log}")


class _Requests:
    """Counts what is asked again, from attempt to attempt."""

    def __init__(self, crawl: Crawl, asked: Asked | None, in_flight: int, exact: bool) -> None:
        self._crawl, self._asked, self._in_flight, self._exact = crawl, asked, in_flight, exact
        self._start = dict(asked()) if asked else {}
        self._before: Mapping[str, int] = {}
        self._committed: Set[str] = frozenset()
        self._lost: set[str] = set()
        """Requests whose answers were lost with the cache: they may be made again, once."""
        self._strike: Strike | None = None

    def after(self, strike: Strike | None) -> Figures:
        """What the attempt that ``strike`` was meant for asked again."""
        if self._asked is None:
            return Figures()
        now = {name: times - self._start.get(name, 0) for name, times in self._asked().items()}
        again = {n: times - self._before[n] for n, times in now.items() if times > self._before.get(n, 0) > 0}
        refetched = sum(times for name, times in again.items() if name in self._committed)
        extra = sum(times - (name in self._lost) for name, times in again.items())
        self._lost -= again.keys()
        self._before, self._committed = now, committed_requests(self._crawl)
        if self._exact and not self._committed <= now.keys():
            raise Violation("the archive names requests that nobody counted")
        after, self._strike = self._strike, strike
        if strike is not None and not (strike.alone and strike.keeps_answers):
            self._lost |= now.keys() - self._committed
            return Figures(refetched_committed=refetched if strike.alone else 0)
        over = max(0, extra - self._in_flight)
        notes = (f"after {after}, under {strike}: asked again {sorted(again)}",) if refetched or over else ()
        return Figures(refetched_committed=refetched, extra=extra, over=over, notes=notes)
