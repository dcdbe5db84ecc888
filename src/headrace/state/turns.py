"""Who may do what only one process may do at a time: the owner of a name, in one table."""

from __future__ import annotations

import os
import sqlite3

from headrace.state.process import is_alive, start_time, this_host

TABLE = """
CREATE TABLE turns (
  name TEXT PRIMARY KEY, owner TEXT NOT NULL, pid INTEGER NOT NULL, host TEXT NOT NULL, process_start TEXT NOT NULL,
  taken_at INTEGER NOT NULL
) STRICT;
"""
STALE_AFTER = 120_000_000
"""Microseconds after which a turn of a process on another host, which nobody here can look at, is over."""


def take(connection: sqlite3.Connection, name: str, owner: str, now: int) -> bool:
    """Within the caller's transaction: whether ``owner`` has its turn now. A turn ends when it is given up, or when
    its process is gone."""
    row = connection.execute("SELECT owner, pid, host, process_start, taken_at FROM turns WHERE name = ?", (name,))
    found = row.fetchone()
    if found is not None and found[0] != owner:
        _, pid, host, started, taken_at = found
        if is_alive(pid, started) if host == this_host() else now - taken_at < STALE_AFTER:
            return False
    pid = os.getpid()
    connection.execute(
        "INSERT OR REPLACE INTO turns (name, owner, pid, host, process_start, taken_at) VALUES (?, ?, ?, ?, ?, ?)",
        (name, owner, pid, this_host(), start_time(pid), now),
    )
    return True
