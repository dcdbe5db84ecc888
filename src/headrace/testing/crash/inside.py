"""What is done to a run from within its process: its own files, its state, its clock."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import ClassVar, Literal

from headrace.testing.crash.crawl import INSIDE, Attempt, Crawl, running
from headrace.testing.crash.strikes import Kill, Strike

STRUCK = "headrace-crash: struck"
"""The line on stderr with which a process says that a fault has happened to it."""


@dataclass(frozen=True, slots=True)
class Inside:
    """What :mod:`headrace.testing.crash.child` does. Counts are from 1.

    ``file``: the n-th operation on a file of the state folder fails with ``error`` (``KILL``: the process dies
    before it). ``state``: the n-th statement on the state store fails. ``limit``: no file may grow beyond so many
    bytes. ``clock``: seconds by which the wall clock is off, each in turn for a quarter of a second.
    ``stop_at``: the process stops itself (SIGSTOP) at the n-th passing of a fault point.
    """

    file: int | None = None
    state: int | None = None
    error: Literal["EIO", "ENOSPC", "KILL"] = "EIO"
    limit: int | None = None
    clock: tuple[float, ...] = ()
    stop_at: tuple[str, int] | None = None

    def of(self, crawl: Crawl) -> Crawl:
        """``crawl`` with this done to it."""
        return crawl.having(**{INSIDE: json.dumps({**asdict(self), "folder": str(crawl.state.absolute())})})


@dataclass(frozen=True, slots=True)
class OwnFile(Strike):
    """The ``nth`` operation on the response cache's files fails."""

    nth: int
    error: Literal["EIO", "ENOSPC"] = "EIO"
    kind: ClassVar[str] = "an operation on the cache's files fails"
    endings: ClassVar[frozenset[int]] = frozenset({0, 1})
    keeps_answers: ClassVar[bool] = False

    def attempt(self, crawl: Crawl) -> Attempt:
        return _inside(crawl, Inside(file=self.nth, error=self.error))


@dataclass(frozen=True, slots=True)
class KilledAtFile(Strike):
    """SIGKILL before the ``nth`` operation on the response cache's files."""

    nth: int
    kind: ClassVar[str] = "SIGKILL at an operation on the cache's files"

    def attempt(self, crawl: Crawl) -> Attempt:
        return _inside(crawl, Inside(file=self.nth, error="KILL"))


@dataclass(frozen=True, slots=True)
class OwnState(Strike):
    """The ``nth`` statement on the state store fails."""

    nth: int
    kind: ClassVar[str] = "a statement on the state store fails"
    endings: ClassVar[frozenset[int]] = frozenset({0, 1})

    def attempt(self, crawl: Crawl) -> Attempt:
        return _inside(crawl, Inside(state=self.nth))


@dataclass(frozen=True, slots=True)
class Full(Strike):
    """No file can grow beyond ``limit`` bytes (RLIMIT_FSIZE): cache, state store and a database's file."""

    limit: int
    kind: ClassVar[str] = "no file grows any more (RLIMIT_FSIZE)"
    endings: ClassVar[frozenset[int]] = frozenset({0, 1})
    keeps_answers: ClassVar[bool] = False

    def attempt(self, crawl: Crawl) -> Attempt:
        ended = _inside(crawl, Inside(limit=self.limit))
        return replace(ended, struck=ended.exit_code != 0 or "response cache is off" in ended.log)


@dataclass(frozen=True, slots=True)
class Jumps(Strike):
    """The wall clock jumps to and fro, and then ``kill`` strikes."""

    clock: tuple[float, ...]
    kill: Kill
    kind: ClassVar[str] = "the clock jumps, then SIGKILL"

    def attempt(self, crawl: Crawl) -> Attempt:
        return self.kill.attempt(Inside(clock=self.clock).of(crawl))


def _inside(crawl: Crawl, what: Inside) -> Attempt:
    with running(what.of(crawl)) as one:
        ended = one.ended()
    return replace(ended, struck=ended.killed or STRUCK in ended.log)
