"""Opening a DuckDB file: attached to an instance that the sessions of one process share, with the engine's settings."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.core.errors import CannotOpen, DestinationBusy
from headrace.core.files import identity
from headrace.core.tables import GROUP_ROWS
from headrace.destinations._room import BLOCKS, CHECKPOINT
from headrace.destinations._sql import quote
from headrace.destinations._url import MEMORY

if TYPE_CHECKING:
    import duckdb

CONFIG: dict[str, Any] = {"autoinstall_known_extensions": False}
"""Replaying the log of a killed process looks for extensions before those built in are there, and would fetch them
from the network; told not to, it uses the built-in ones."""
_SETTINGS = (
    "SET TimeZone = 'UTC'",
    f"SET checkpoint_threshold = '{CHECKPOINT}MB'",
    f"SET block_allocator_memory = '{BLOCKS}MB'",  # else each block is asked of the system and given back, page by page
    "SET max_vacuum_tasks = 0",  # a checkpoint would merge the ends of groups, and write all the groups anew for it
    "SET python_enable_replacements = false",
    "SET enable_external_access = false",
)
_HOLDER = re.compile(r"held in (.*?) \(PID (\d+)\)")


def connect(path: str, read_only: bool) -> duckdb.DuckDBPyConnection:
    """Raises CannotOpen, or DestinationBusy with who holds the file."""
    import duckdb

    if read_only and not Path(path).exists():
        raise CannotOpen(f"there is no file {path}", hint="headrace run makes it")
    try:
        while True:
            before = identity(path)
            connection = _attach(path, read_only)
            if before is None or before == identity(path):
                break
            connection.close()  # a vacuum has put another file in its place while it was being opened
        for setting in _SETTINGS:
            connection.execute(setting)
    except duckdb.Error as error:
        text = str(error).strip()
        holder = _HOLDER.search(text)
        if holder:
            raise DestinationBusy(
                f"{path} is held by process {holder[2]} ({holder[1]})",
                hint="a DuckDB file belongs to one process at a time: wait for it; `headrace status` answers meanwhile",
            ) from error
        raise CannotOpen(f"{path} cannot be opened: {text.splitlines()[0]}") from error
    return connection


def name_of(path: str) -> str:
    """What SQL calls the database, as DuckDB's own shell does."""
    name = "memory" if path == MEMORY else Path(path).stem
    return f"{name}_file" if path != MEMORY and name.lower() in ("memory", "system", "temp") else name


def _attach(path: str, read_only: bool) -> duckdb.DuckDBPyConnection:
    """A file takes the size of its row groups only when it is attached. Sessions of one process share it."""
    import duckdb

    if path == MEMORY:
        return duckdb.connect(MEMORY, config=CONFIG)
    file = str(Path(path).absolute())
    name = hashlib.sha256(f"{file} {read_only}".encode()).hexdigest()[:16]
    return _share(duckdb.connect(f":memory:headrace-{name}", config=CONFIG), path, file, read_only)


def _share(connection: duckdb.DuckDBPyConnection, path: str, file: str, read_only: bool) -> duckdb.DuckDBPyConnection:
    try:
        name = quote(name_of(path))
        if not connection.execute("SELECT 1 FROM duckdb_databases() WHERE path IS NOT NULL").fetchall():
            connection.execute(f"SET temp_directory = {_text(file + '.tmp')}")
            mode = "READ_ONLY, " if read_only else ""
            connection.execute(f"ATTACH {_text(file)} AS {name} ({mode}ROW_GROUP_SIZE {GROUP_ROWS})")
        connection.execute(f"USE {name}")
    except BaseException:
        connection.close()
        raise
    return connection


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
