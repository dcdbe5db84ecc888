"""Leases as rows, for databases that several processes write and that have no lock of their own for it."""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from headrace.core.errors import RunIsHeld
from headrace.destinations._session import SqlSession

BEAT = 10.0
STALE = 60_000_000
"""Microseconds without a heartbeat after which a holder on another machine counts as dead."""


def process_started(pid: int) -> str:
    """When a process began (kernel ticks), so that a reused pid is not taken for its holder; empty where
    the system does not say."""
    with suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return ""


def alive(pid: int, started: str) -> bool:
    """Whether a process of this machine that :func:`process_started` once told of is still there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return process_started(pid) == started


class LeasedSession(SqlSession):
    """A session whose leases are rows of ``headrace_leases``, renewed by a thread of their own."""

    @contextmanager
    def _database_lease(self, run_id: str, owner: str) -> Iterator[None]:
        token = uuid4().hex
        self._take(run_id, owner, token)
        stop = threading.Event()
        beat = threading.Thread(target=self._beat, args=(run_id, token, stop), name="lease", daemon=True)
        beat.start()
        try:
            yield
        finally:
            stop.set()
            beat.join()
            with suppress(Exception):  # a lease that is not given back is found dead with this process
                self.db.do("lease_release", (run_id, token))
                self._unlock(run_id)

    def _try_lock(self, run_id: str) -> bool | None:
        """Take the database's own lock; ``None`` where it has none and the row decides."""
        return None

    def _unlock(self, run_id: str) -> None:
        """Give :meth:`_try_lock` back."""

    def _take(self, run_id: str, owner: str, token: str) -> None:
        db, host = self.db, platform.node()
        if not db.physical("headrace_leases"):
            self.prepare((), ())
        locked = self._try_lock(run_id)
        with self.transaction("taking the lease"):
            now = time.time_ns() // 1000
            for holder, pid, where, started, heartbeat in db.do("lease_read", (run_id,)):
                fresh = now - (db.micros(heartbeat) or 0) < STALE
                living = alive(pid, started) if where == host else fresh
                if not locked if locked is not None else living:
                    raise RunIsHeld(
                        f"run {run_id} is held by {holder}: process {pid} on {where}, last heartbeat {heartbeat}",
                        hint="wait for it to end, or stop that process",
                    )
            if locked is False:
                raise RunIsHeld(f"run {run_id} is held by another process, which is just starting")
            db.do("lease_delete", (run_id,))
            columns = ("run_id", "owner", "pid", "host", "process_started", "heartbeat", "token")
            pid = os.getpid()
            row = (run_id, owner, pid, host, process_started(pid), db.time(now), token)
            db.insert("headrace_leases", columns, [row])

    def _beat(self, run_id: str, token: str, stop: threading.Event) -> None:
        while not stop.wait(BEAT):
            with suppress(Exception):  # a beat that is late is made up for by the next
                other = self.db.twin()
                try:
                    other.do("lease_renew", (other.time(time.time_ns() // 1000), run_id, token))
                finally:
                    other.close()
