"""A request limit that several processes share: the moments given out, in one table."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable
from threading import Lock

_PRUNE_EVERY = 64
_CLOCK_STEP = 1_000_000
"""Microseconds by which the clocks of two processes may differ before it counts as set back."""


def reserve(connection: sqlite3.Connection, name: str, now: int, requests: int, per_seconds: float) -> float:
    """Count one request within the caller's transaction; see :class:`~headrace.state.contract.Limit`.

    ``now`` is wall time in microseconds: the only clock that processes share across a reboot. Moments
    never decrease, so comparing with the moment ``requests`` places before is enough for every window.
    """
    last = connection.execute(
        "SELECT seq, at, made_at FROM limits WHERE name = ? ORDER BY seq DESC LIMIT 1", (name,)
    ).fetchone()
    if last is None:
        seq, go = 0, now
    else:
        seq, at, made_at = last
        if made_at > now + _CLOCK_STEP:
            # The clock was set back: without this, everybody would wait until it is that late again.
            back = made_at - now
            connection.execute(
                "UPDATE limits SET at = at - ?, made_at = made_at - ? WHERE name = ?", (back, back, name)
            )
            at -= back
        go = max(now, at)
        bound = connection.execute("SELECT at FROM limits WHERE name = ? AND seq = ?", (name, seq + 1 - requests))
        for (before,) in bound:
            go = max(go, before + round(per_seconds * 1_000_000) + 1)
    seq += 1
    connection.execute("INSERT INTO limits (name, seq, at, made_at) VALUES (?, ?, ?, ?)", (name, seq, go, now))
    if seq % _PRUNE_EVERY == 0:
        connection.execute(
            "DELETE FROM limits WHERE name = ? AND seq <= ? AND at < ?",
            (name, seq - requests, now - round(per_seconds * 1_000_000)),
        )
    return (go - now) / 1_000_000


class LocalLimit:
    """The same for this process alone: what is left when the store cannot be reached."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._moments: deque[int] = deque()
        self._lock = Lock()

    def reserve(self, requests: int, per_seconds: float) -> float:
        with self._lock:
            now = self._now()
            go = max(now, self._moments[-1]) if self._moments else now
            if len(self._moments) >= requests:
                go = max(go, self._moments[-requests] + round(per_seconds * 1_000_000) + 1)
            self._moments.append(go)
            while len(self._moments) > requests:
                self._moments.popleft()
            return (go - now) / 1_000_000
