"""What it costs DuckDB to take a table in commits of so many rows, by the size of its row groups.

``row_groups.py FILE TABLE``: the rows of a table that a crawl has made, such as those of ``films.yml``.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import duckdb
import pyarrow as pa

CASES = ((10_000, 122_880, 100), (8_300, 8_192, 0), (8_300, 8_192, 100), (10_300, 10_240, 0), (8_300, 2_048, 0))
"""Rows of a commit, of a row group, and how many merges a checkpoint may make."""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("file", type=Path)
    options.add_argument("table")
    given = options.parse_args()
    with duckdb.connect(str(given.file), read_only=True) as source:
        rows = source.sql(f'SELECT * FROM "{given.table}"').to_arrow_table()
    print(
        f"{rows.num_rows:,} rows\n{'commit':>7} {'group':>7} {'merges':>6} {'CPU s':>6} {'MB written':>10} {'file MB':>7}"
    )
    for commit, group, merges in CASES:
        child = os.fork()  # each in a process of its own, since DuckDB's buffers outlive a connection
        if not child:
            take(rows, commit, group, merges)
            os._exit(0)
        os.waitpid(child, 0)


def take(rows: pa.Table, commit: int, group: int, merges: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "test.duckdb"
        before = _written()
        started = time.process_time()
        with duckdb.connect() as db:
            db.execute(f"ATTACH '{file}' AS made (ROW_GROUP_SIZE {group})")
            db.execute("USE made")
            for setting in (f"max_vacuum_tasks = {merges}", "checkpoint_threshold = '16MB'", "memory_limit = '96MB'"):
                db.execute(f"SET {setting}")
            db.register("rows", rows.slice(0, 0))
            db.execute("CREATE TABLE made AS SELECT * FROM rows")
            for start in range(0, rows.num_rows, commit):
                db.register("rows", rows.slice(start, commit))
                db.execute("INSERT INTO made SELECT * FROM rows")
        cpu = time.process_time() - started
        megabytes = (_written() - before) / 1e6, file.stat().st_size / 1e6
        print(f"{commit:7,} {group:7,} {merges:6} {cpu:6.2f} {megabytes[0]:10.0f} {megabytes[1]:7.0f}", flush=True)


def _written() -> int:
    """Bytes that this process has given to the system; Linux only."""
    return int(Path("/proc/self/io").read_text().split("wchar: ")[1].split()[0])


if __name__ == "__main__":
    main()
