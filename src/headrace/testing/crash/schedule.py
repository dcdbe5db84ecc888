"""Which strikes a cell of the matrix gets."""

from __future__ import annotations

import random
import shutil
import sys
from collections import deque
from collections.abc import Sequence

from headrace.testing.crash.inside import Full, Jumps, KilledAtFile, OwnFile, OwnState
from headrace.testing.crash.strikes import (
    FAULT_POINTS,
    ONCE,
    After,
    At,
    Forgetting,
    Lost,
    Overtaken,
    Statement,
    Stop,
    Strike,
    SystemCall,
    Terminated,
)

_DAY = 86_400.0
_LATE = ("fetch.received", "commit.begin", "fetch.cached")
"""Points outside a transaction, where a stale process holds no lock."""

_OFTEN = tuple(point for point in FAULT_POINTS if point not in ONCE)


def kills(number: int, seconds: float, draw: random.Random) -> list[Strike]:
    """``number`` SIGKILLs for a run that takes about ``seconds``: first every fault point once, then a random
    instant, a later passing of a point and an operation on a file in turn."""
    found: list[Strike] = [At(point) for point in FAULT_POINTS[:number]]
    often = (*_OFTEN, "commit.sql")
    while len(found) < number:
        point = draw.choice(often)
        found += [
            After(draw.uniform(0, seconds / 2)),
            At(point, draw.randint(2, 40 if point == "commit.sql" else 5)),
            After(draw.uniform(0, seconds / 2)),
            KilledAtFile(draw.randint(1, 20)),
        ]
    return found[:number]


def others(kind: str, seconds: float, draw: random.Random) -> list[Strike]:
    """Everything that is not a kill alone, once or twice each, for a destination of this kind."""

    def some(most: int) -> int:
        return draw.randint(1, most)

    def anywhere() -> str:
        return draw.choice(_OFTEN)

    found: list[Strike] = [
        Stop(anywhere(), some(3)),
        Stop(anywhere(), some(3), "SIGINT"),
        Stop(anywhere(), some(3), "SIGINT", twice=True),
        Stop(anywhere(), some(3), "SIGTERM", twice=True),
        Statement(some(25)),
        Statement(some(80)),
        OwnFile(some(12)),
        OwnFile(some(30), "ENOSPC"),
        OwnState(some(18)),
        Forgetting(After(draw.uniform(0, seconds / 2))),
        Forgetting(At("fetch.cached", some(4))),
        Forgetting(At("commit.after_commit"), ""),
        Jumps((3 * _DAY, -3 * _DAY, 0.0), At(anywhere(), some(3))),
        Jumps((-9 * _DAY, 9 * _DAY), At(anywhere(), some(3))),
        Full(some(9 if kind == "postgresql" else 60) * 4096),
        Overtaken(draw.choice(_LATE), some(3), At("commit.after_commit")),
        Overtaken(draw.choice(_LATE), some(3)),
    ]
    if kind == "postgresql":
        found += [
            Lost("before"),
            Lost("after"),
            Lost("partition"),
            Lost("after", dead_after=True),
            Lost("before", "COPY"),
            Terminated("commit.staged"),
            Terminated("commit.before_commit", some(3)),
            Terminated("fetch.received", some(5)),
        ]
    elif sys.platform == "linux" and shutil.which("strace"):
        found += [
            SystemCall("pwrite64", some(40)),
            SystemCall("pwrite64", some(60), "ENOSPC"),
            SystemCall("fsync,fdatasync", some(4)),
        ]
    draw.shuffle(found)
    return found


def ordered(strikes: Sequence[Strike], draw: random.Random) -> deque[Strike]:
    """In random order, those that need the end of a run at the end."""
    rest = [strike for strike in strikes if not _late(strike)]
    draw.shuffle(rest)
    first = [strike for strike in rest if isinstance(strike, At) and strike.point == "run.saved"]
    return deque([*first, *(s for s in rest if s not in first), *(s for s in strikes if _late(s))])


def _late(strike: Strike) -> bool:
    return isinstance(strike, At) and strike.point in ("run.finished", "cache.segment_removed")
