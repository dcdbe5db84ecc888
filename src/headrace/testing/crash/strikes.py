"""What may happen to a run, seen from outside it: kills, signals, a database that fails or goes away."""

from __future__ import annotations

import re
import shutil
import signal
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar, Literal, TypeAlias
from urllib.parse import urlsplit

from headrace.testing.crash.crawl import LONGEST, Attempt, Crawl, Violation, running
from headrace.testing.proxy import COMMIT, Cut, Proxy

FAULT_POINTS = (
    "run.saved", "fetch.sent", "cache.write", "fetch.cached", "fetch.received", "commit.begin", "commit.staged",
    "commit.before_commit", "commit.after_commit", "run.finished", "cache.segment_removed",
)  # fmt: skip
ONCE = frozenset({"run.saved", "run.finished", "cache.segment_removed"})
"""Fault points that a short run passes a single time."""


class Strike(ABC):
    """One thing that happens to one attempt of a run."""

    kind: ClassVar[str]
    """Its heading in the table."""
    endings: ClassVar[frozenset[int]] = frozenset({1})
    """Exit codes that an attempt may end with when this struck, SIGKILL's apart."""
    keeps_answers: ClassVar[bool] = True
    """Answers that came before it are still on the disk: only requests in flight may be made again."""
    alone: ClassVar[bool] = True
    """One process runs the crawl: each request it makes is its own."""

    @abstractmethod
    def attempt(self, crawl: Crawl) -> Attempt:
        """Run ``crawl`` until it ends, or this ends it."""


@dataclass(frozen=True, slots=True)
class At(Strike):
    """SIGKILL at the ``nth`` passing of a fault point (see :mod:`headrace.core.faults`)."""

    point: str
    nth: int = 1
    kind: ClassVar[str] = "SIGKILL at a fault point"

    def attempt(self, crawl: Crawl) -> Attempt:
        with running(crawl.having(HEADRACE_FAULT=f"{self.point}:{self.nth}:kill")) as one:
            return one.ended()


@dataclass(frozen=True, slots=True)
class After(Strike):
    """SIGKILL this many seconds after the run has begun."""

    seconds: float
    kind: ClassVar[str] = "SIGKILL at a random instant"

    def attempt(self, crawl: Crawl) -> Attempt:
        with running(crawl) as one:
            one.begun.wait(LONGEST)
            time.sleep(self.seconds)
            one.process.kill()
            return one.ended()


Kill: TypeAlias = At | After


@dataclass(frozen=True, slots=True)
class Forgetting(Strike):
    """A kill, and then a part of the state folder is deleted: ``cache``, or all of it (``""``)."""

    kill: Kill
    part: Literal["cache", ""] = "cache"
    kind: ClassVar[str] = "SIGKILL, then the cache (or all state) deleted"
    keeps_answers: ClassVar[bool] = False

    def attempt(self, crawl: Crawl) -> Attempt:
        ended = self.kill.attempt(crawl)
        if ended.struck:
            shutil.rmtree(crawl.state / self.part, ignore_errors=True)
        return ended


@dataclass(frozen=True, slots=True)
class Stop(Strike):
    """SIGTERM or SIGINT (Ctrl-C) at the ``nth`` passing of a fault point; ``twice`` asks to stop at once."""

    point: str
    nth: int = 1
    name: Literal["SIGTERM", "SIGINT"] = "SIGTERM"
    twice: bool = False
    kind: ClassVar[str] = "SIGTERM, Ctrl-C (once and twice)"
    endings: ClassVar[frozenset[int]] = frozenset({130})

    def attempt(self, crawl: Crawl) -> Attempt:
        from headrace.testing.crash.inside import Inside

        number = signal.Signals[self.name]
        with running(Inside(stop_at=(self.point, self.nth)).of(crawl)) as one:
            if struck := one.process.stopped():
                one.process.send_signal(number)
                one.process.send_signal(signal.SIGCONT)
                if self.twice:
                    time.sleep(0.02)  # two of one kind at one moment are one
                    one.process.send_signal(number)
            ended = one.ended(struck=struck)
        if (
            self.twice and ended.exit_code == -number
        ):  # the second came when the run had ended: nobody listened any more
            return replace(ended, exit_code=130)
        return ended


@dataclass(frozen=True, slots=True)
class Statement(Strike):
    """The ``nth`` SQL statement inside commits fails."""

    nth: int
    kind: ClassVar[str] = "an SQL statement of a commit fails"

    def attempt(self, crawl: Crawl) -> Attempt:
        with running(crawl.having(HEADRACE_FAULT=f"commit.sql:{self.nth}:raise")) as one:
            ended = one.ended()
        return replace(ended, struck=ended.exit_code != 0)


@dataclass(frozen=True, slots=True)
class SystemCall(Strike):
    """The ``nth`` call of ``call`` on the database's files fails with ``error`` (Linux, needs strace)."""

    call: Literal["pwrite64", "fsync,fdatasync"]
    nth: int
    error: Literal["EIO", "ENOSPC"] = "EIO"
    kind: ClassVar[str] = "the database's file fails (EIO, ENOSPC; strace)"
    endings: ClassVar[frozenset[int]] = frozenset({0, 1})

    def attempt(self, crawl: Crawl) -> Attempt:
        path = str(Path(urlsplit(crawl.destination).path[1:]).absolute())
        files = [word for suffix in ("", "-wal", ".wal", "-journal") for word in ("-P", path + suffix)]
        with TemporaryDirectory() as folder:
            log = Path(folder) / "calls"
            rule = ["-e", f"trace={self.call}", "-e", f"inject={self.call}:error={self.error}:when={self.nth}"]
            prefix = ("strace", "-f", "--seccomp-bpf", "-qq", "-o", str(log), *files, *rule)
            with running(crawl, prefix=prefix) as one:
                ended = one.ended()
            struck = log.exists() and "(INJECTED)" in log.read_text(errors="replace")
        return replace(ended, struck=struck)


@dataclass(frozen=True, slots=True)
class Lost(Strike):
    """PostgreSQL's connection is lost at a message of a commit: nothing arrived, all of it did, or the server
    still waits; with ``dead_after`` the server stays away."""

    cut: Cut
    at: Literal["COMMIT", "COPY"] = "COMMIT"
    dead_after: bool = False
    kind: ClassVar[str] = "the database goes away in mid-commit"
    endings: ClassVar[frozenset[int]] = frozenset({0, 1})

    def attempt(self, crawl: Crawl) -> Attempt:
        trigger = COMMIT if self.at == "COMMIT" else re.compile(b"COPY pg_temp")
        address = urlsplit(crawl.destination)
        with Proxy(address.port or 5432, trigger=trigger, cut=self.cut, dead_after=self.dead_after) as proxy:
            user = address.netloc.rpartition("@")[0]
            place = f"{user}@127.0.0.1:{proxy.listening}" if user else f"127.0.0.1:{proxy.listening}"
            with running(replace(crawl, destination=address._replace(netloc=place).geturl())) as one:
                ended = one.ended()
            return replace(ended, struck=proxy.fired.is_set())


@dataclass(frozen=True, slots=True)
class Terminated(Strike):
    """PostgreSQL ends the run's sessions at the ``nth`` passing of a fault point."""

    point: str
    nth: int = 1
    kind: ClassVar[str] = "the server ends the session in mid-commit"
    endings: ClassVar[frozenset[int]] = frozenset({0, 1})

    def attempt(self, crawl: Crawl) -> Attempt:
        from headrace.testing.crash.inside import Inside

        with running(Inside(stop_at=(self.point, self.nth)).of(crawl)) as one:
            if struck := one.process.stopped():
                end_sessions(crawl.destination)
                one.process.send_signal(signal.SIGCONT)
            return one.ended(struck=struck)


@dataclass(frozen=True, slots=True)
class Overtaken(Strike):
    """The process is stopped at a fault point, its lease is taken for dead, another process goes on; then the
    first wakes up and writes late. Where a lease cannot be lost (a DuckDB file), the other is refused."""

    point: str
    nth: int = 1
    other: Kill | None = None
    """What ends the other on its way; ``None``: it goes on to the end."""
    kind: ClassVar[str] = "a stale process writes late"
    endings: ClassVar[frozenset[int]] = frozenset({0, 1})
    alone: ClassVar[bool] = False

    def attempt(self, crawl: Crawl) -> Attempt:
        from headrace.testing.crash.inside import Inside

        with running(Inside(stop_at=(self.point, self.nth)).of(crawl)) as one:
            stopped = one.process.stopped()
            struck = stopped and lose_lease(crawl.destination)
            if struck:
                took_over = self._another(crawl)
            if stopped:
                one.process.send_signal(signal.SIGCONT)
            ended = one.ended(struck=struck)
        if struck and took_over and ended.exit_code == 0:
            raise Violation(f"{self}: another process had moved the checkpoint, and nothing was said:\n{ended.log}")
        if struck and not took_over and ended.exit_code:
            raise Violation(f"{self}: the other was refused, and yet this one failed:\n{ended.log}")
        return ended

    def _another(self, crawl: Crawl) -> bool:
        if self.other is not None:
            ended = self.other.attempt(crawl)
        else:
            with running(crawl) as other:
                ended = other.ended()
        if ended.exit_code == 0 or ended.killed:
            return True
        if "internal error" in ended.log or ended.exit_code not in (1, 2):
            raise Violation(f"the second process ended with {ended.exit_code}:\n{ended.log}")
        return False


def end_sessions(url: str) -> None:
    """End every session of a PostgreSQL database."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def lose_lease(url: str) -> bool:
    """Make the lease of whoever holds a run look like that of a machine that died long ago. False when the holder was
    stopped in the middle of a write (its heartbeat has a thread of its own): then SQLite lets nobody else write."""
    scheme = url.partition(":")[0]
    if scheme.startswith("postgres"):
        end_sessions(url)
    elif scheme == "sqlite":
        import sqlite3
        from contextlib import closing

        with closing(sqlite3.connect(urlsplit(url).path[1:])) as db, db:
            try:
                db.execute("UPDATE headrace_leases SET host = 'elsewhere', heartbeat = '2000-01-01T00:00:00.000000Z'")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                    raise
                return False
    return True
