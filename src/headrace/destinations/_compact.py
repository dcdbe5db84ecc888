"""Giving the deleted bytes of a DuckDB file back: the database is copied into a new file, which takes its place."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headrace.core import faults
from headrace.core.errors import DestinationBusy, DestinationError

SUFFIX = ".vacuum"
"""Behind a file's name: the copy that is to replace it."""


def compact(file: Path, config: Mapping[str, Any]) -> None:
    """Copy ``file``, which this process must not have open, and put the copy in its place.

    Killed at any instant it leaves the old file or the new one, whole; what else it leaves is removed the next
    time. Needs as much room as the new file takes. Raises DestinationBusy and DestinationError, after which
    the file is as it was.
    """
    import duckdb

    file = file.resolve()
    draft = file.with_name(file.name + SUFFIX)
    with duckdb.connect(config=dict(config)) as db:
        try:
            db.execute(f"ATTACH {_text(file)} AS old")  # to its end: nobody else writes what is being replaced
        except duckdb.Error as error:
            raise DestinationBusy(
                f"{file} is in use: {str(error).strip().splitlines()[0]}",
                hint="vacuum when nothing else reads or writes it",
            ) from error
        try:
            _remove(draft)
            db.execute("CHECKPOINT old")  # its log must not outlive it: it would be replayed into the new file
            db.execute(f"ATTACH {_text(draft)} AS new")
            db.execute("COPY FROM DATABASE old TO new")
            db.execute("CHECKPOINT new")
            db.execute("DETACH new")
            faults.point("vacuum.copied")
            log = file.with_name(file.name + ".wal")
            if log.exists() and log.stat().st_size:
                raise DestinationError(f"{log} was not emptied", place=str(file))
            shutil.copymode(file, draft)
            _sync(draft)
            draft.replace(file)
            faults.point("vacuum.replaced")
            _sync(file.parent)
        except (duckdb.Error, OSError) as error:
            raise DestinationError(
                f"vacuum: {str(error).strip()}", place=str(file), hint="the file is as it was"
            ) from error
    _remove(draft)


def _text(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _remove(draft: Path) -> None:
    for path in (draft, draft.with_name(draft.name + ".wal")):
        path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
