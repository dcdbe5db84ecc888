"""Floor B: curl to files, then one read_json. ``floor.py URL PAGES DUCKDB_FILE FOLDER``."""

from __future__ import annotations

import subprocess
import sys

import duckdb

url, pages, file, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
subprocess.run(["curl", "-s", f"{url}/shows?cursor=[0-{pages - 1}]", "-o", f"{folder}/#1.json"], check=True)
with duckdb.connect(file) as connection:
    connection.execute(
        f"CREATE TABLE shows AS SELECT s.* FROM (SELECT unnest(shows) AS s FROM read_json('{folder}/*.json'))"
    )
    print(connection.execute("SELECT count(*) FROM shows").fetchone()[0])
