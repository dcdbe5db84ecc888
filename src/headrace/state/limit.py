"""A request limit that several processes share: the moments given out, in one table."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable
from threading import Lock

from headrace.state.file import StateFile, transaction

_PRUNE_EVERY = 64
_CLOCK_STEP = 1_000_000
"""Microseconds by which the clocks of two processes may differ before it counts as set back."""


def _spans(requests: int, per_seconds: float, burst: int) -> list[tuple[int, int]]:
    """(how many places before, more than how many microseconds ago)."""
    window = (requests, round(per_seconds * 1_000_000))
    return [window, (burst, round(per_seconds * burst / requests * 1_000_000))] if 0 < burst < requests else [window]


def reserve(
    connection: sqlite3.Connection, name: str, now: int, requests: int, per_seconds: float, burst: int = 0
) -> float:
    """Count one request within the caller's transaction; see :class:`~headrace.state.contract.Limit`.

    ``now`` is wall time in microseconds: the only clock that processes share across a reboot. Each
    moment is more than a window after the one ``requests`` places before: that makes ``requests``
    chains, and no window holds two moments of one chain.
    """
    last = connection.execute(
        "SELECT seq, made_at FROM limits WHERE name = ? ORDER BY seq DESC LIMIT 1", (name,)
    ).fetchone()
    seq, go, window = 0, now, round(per_seconds * 1_000_000)
    if last is not None:
        seq, made_at = last
        if made_at > now + _CLOCK_STEP:
            # The clock was set back: without this, everybody would wait until it is that late again.
            back = made_at - now
            connection.execute(
                "UPDATE limits SET at = at - ?, made_at = made_at - ? WHERE name = ?", (back, back, name)
            )
        for places, span in _spans(requests, per_seconds, burst):
            bound = connection.execute("SELECT at FROM limits WHERE name = ? AND seq = ?", (name, seq + 1 - places))
            for (before,) in bound:
                go = max(go, before + span + 1)
    seq += 1
    connection.execute("INSERT INTO limits (name, seq, at, made_at) VALUES (?, ?, ?, ?)", (name, seq, go, now))
    if seq % _PRUNE_EVERY == 0:
        connection.execute("DELETE FROM limits WHERE name = ? AND at < ?", (name, now - window - _CLOCK_STEP))
    return (go - now) / 1_000_000


class SharedLimit:
    """:class:`~headrace.state.contract.Limit` in the state file; of this process alone while the file cannot be used."""

    def __init__(self, file: StateFile, name: str, now: Callable[[], int]) -> None:
        self._file = file
        self._name = name
        self._now = now
        self._alone = LocalLimit(now)

    def reserve(self, requests: int, per_seconds: float, burst: int = 0) -> float:
        def work(connection: sqlite3.Connection) -> float:
            with transaction(connection):
                return reserve(connection, self._name, self._now(), requests, per_seconds, burst)

        seconds = self._file.do(work, -1.0)
        return seconds if seconds >= 0 else self._alone.reserve(requests, per_seconds, burst)


class LocalLimit:
    """The same for this process alone: what is left when the store cannot be reached."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._moments: deque[int] = deque()
        self._lock = Lock()

    def reserve(self, requests: int, per_seconds: float, burst: int = 0) -> float:
        with self._lock:
            now = self._now()
            go = now
            for places, span in _spans(requests, per_seconds, burst):
                if len(self._moments) >= places:
                    go = max(go, self._moments[-places] + span + 1)
            self._moments.append(go)
            while len(self._moments) > requests:
                self._moments.popleft()
            return (go - now) / 1_000_000
