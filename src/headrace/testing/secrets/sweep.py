"""Everything that a run leaves behind: its database, and its folders."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from headrace.core.contracts import Session
from headrace.destinations import from_url
from headrace.testing.secrets.marks import Secrets

_SQLITE = b"SQLite format 3\0"
TOKENS = "tokens"
"""The state store's table that holds rotated tokens, because it has to."""


def sweep_database(secrets: Secrets, url: str) -> int:
    """Search every table and view of the destination at ``url``; returns how many values were read."""
    count = 0
    with from_url(url).open(read_only=True) as session:
        for table in _tables(session, url):
            quoted = table.replace('"', '""')
            for row in _rows(session, f'SELECT * FROM "{quoted}"'):
                for column, value in row.items():
                    count += 1
                    data = value if isinstance(value, bytes) else str(value)
                    secrets.search(f"table {table}, column {column}", data)
    return count


def _tables(session: Session, url: str) -> list[str]:
    if url.startswith("sqlite:"):
        sql = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"
    else:
        sql = (
            "SELECT table_name AS name FROM information_schema.tables "
            "WHERE table_schema NOT IN ('pg_catalog', 'information_schema')"
        )
    return [str(row["name"]) for row in _rows(session, sql)]


def _rows(session: Session, sql: str) -> Iterator[dict[str, Any]]:
    for batch in session.query(sql):
        yield from batch.to_pylist()


def sweep_folder(secrets: Secrets, folder: Path, *, tokens: bool = False) -> int:
    """Search every file below ``folder``, its name too; returns how many there are.

    The state store's file is read table by table, all but its tokens; every other file byte by byte. With ``tokens`` all
    files are read byte by byte: in a run with a stored credential nothing is left out.
    """
    count = 0
    for path in sorted(folder.rglob("*")):
        secrets.search("the name of a file", path.name)
        if not path.is_file():
            continue
        count += 1
        data = path.read_bytes()
        if not tokens and data.startswith(_SQLITE) and _has_tokens(path):
            _sweep_state(secrets, path)
        elif tokens or not _beside_state(path):
            secrets.search(f"file {path.relative_to(folder)}", data)
    return count


def _has_tokens(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (TOKENS,)).fetchone()
    return found is not None


def _beside_state(path: Path) -> bool:
    """The journals of the state store repeat its pages, those of the tokens among them."""
    base, dash, kind = path.name.rpartition("-")
    if not dash or not base or kind not in ("wal", "shm", "journal"):
        return False
    main = path.with_name(base)
    return main.is_file() and _has_tokens(main)


def _sweep_state(secrets: Secrets, path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for name in names:
            columns = "name, updated_at" if name == TOKENS else "*"
            for row in connection.execute(f'SELECT {columns} FROM "{name}"'):
                secrets.search(f"state store, table {name}", repr(row))
