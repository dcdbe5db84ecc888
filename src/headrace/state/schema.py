"""The tables of the state file and their version."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from headrace.core.errors import StateError
from headrace.state import credentials, turns

_TABLES = """
CREATE TABLE schema_version (version INTEGER NOT NULL) STRICT;
CREATE TABLE runs (
  run_id TEXT PRIMARY KEY, pipeline TEXT NOT NULL, org TEXT NOT NULL, destination TEXT NOT NULL,
  status TEXT NOT NULL, step TEXT NOT NULL, progress TEXT NOT NULL, rows INTEGER NOT NULL, pages INTEGER NOT NULL,
  requests INTEGER NOT NULL, pid INTEGER NOT NULL, host TEXT NOT NULL, started_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL, finished_at INTEGER, error TEXT NOT NULL, params TEXT NOT NULL
) STRICT;
CREATE INDEX runs_by_start ON runs (started_at DESC);
CREATE TABLE leases (
  run_id TEXT PRIMARY KEY, pid INTEGER NOT NULL, host TEXT NOT NULL, process_start TEXT NOT NULL,
  heartbeat INTEGER NOT NULL
) STRICT;
CREATE TABLE tokens (name TEXT PRIMARY KEY, token TEXT NOT NULL, updated_at INTEGER NOT NULL) STRICT;
CREATE TABLE limits (
  name TEXT NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, made_at INTEGER NOT NULL, PRIMARY KEY (name, seq)
) STRICT, WITHOUT ROWID;
"""
_STEPS = (_TABLES, credentials.TABLE + turns.TABLE)
"""What each version of the file added to the one before."""
VERSION = len(_STEPS)


def ensure(connection: sqlite3.Connection, path: Path) -> None:
    """Create the tables that a new file, or one of an older Headrace, lacks. Raises StateError for a file of a
    newer one."""
    version = _version(connection) or 0
    if version < VERSION:
        connection.execute("BEGIN IMMEDIATE")
        try:
            version = _version(connection) or 0
            for statement in ";".join(_STEPS[version:]).split(";"):
                connection.execute(statement)
            if version == 0:
                connection.execute("INSERT INTO schema_version (version) VALUES (?)", (VERSION,))
            elif version < VERSION:
                connection.execute("UPDATE schema_version SET version = ?", (VERSION,))
            version = max(version, VERSION)
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
    if version > VERSION:
        raise StateError(
            f"this state was written by a newer Headrace (its version is {version}, this one reads up to {VERSION})",
            hint="upgrade headrace, or name another folder: HEADRACE_STATE=/path/to/folder",
            place=str(path),
        )


def _version(connection: sqlite3.Connection) -> int | None:
    known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'schema_version'").fetchone()
    if known is None:
        return None
    row = connection.execute("SELECT version FROM schema_version").fetchone()
    return None if row is None else int(row[0])
