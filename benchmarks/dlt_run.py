"""dlt's rest_api source at the best settings that were found: ``dlt_run.py API_URL DATABASE_URL FOLDER [FORMAT] [STRATEGY]``.

Prints how many rows the table has.
"""

from __future__ import annotations

import os
import sys

url, target, folder, load_format, strategy = (*sys.argv[1:], "", "")[:5]
os.environ |= {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "ERROR",
    "NORMALIZE__WORKERS": "2",
    "DATA_WRITER__BUFFER_MAX_ITEMS": "20000",
    "NORMALIZE__DATA_WRITER__FILE_MAX_ITEMS": "50000",
    "EXTRACT__DATA_WRITER__FILE_MAX_ITEMS": "50000",
}
import dlt  # noqa: E402 - its settings are read when it is imported
from dlt.sources.rest_api import rest_api_source  # noqa: E402

# The fastest of every format and strategy that the destination takes (PostgreSQL: csv, insert_values and parquet, each
# with delete-insert and upsert; SQLite: typed-jsonl and parquet).
BEST = {
    "duckdb": ("parquet", "delete-insert"),
    "postgresql": ("parquet", "upsert"),
    "sqlite": ("parquet", "delete-insert"),
}


def destination(kind: str) -> object:
    if kind == "duckdb":
        return dlt.destinations.duckdb(target.removeprefix("duckdb:///"))
    if kind == "postgresql":  # wants a password, also where the server asks for none
        return dlt.destinations.postgres(target.replace("postgres@", "postgres:unused@"))
    return dlt.destinations.sqlalchemy(target)


if __name__ == "__main__":
    kind = target.partition(":")[0]
    load_format, strategy = load_format or BEST[kind][0], strategy or BEST[kind][1]
    source = rest_api_source(
        {
            "client": {
                "base_url": url,
                "paginator": {"type": "cursor", "cursor_path": "nextCursor", "cursor_param": "cursor"},
            },
            "resource_defaults": {
                "primary_key": "id",
                "write_disposition": {"disposition": "merge", "strategy": strategy},
                "max_table_nesting": 0,
            },
            "resources": [{"name": "shows", "endpoint": {"path": "shows", "data_selector": "shows"}}],
        }
    )
    pipeline = dlt.pipeline("bench", destination=destination(kind), dataset_name="bench", pipelines_dir=folder)
    pipeline.run(source, loader_file_format=load_format)
    with pipeline.sql_client() as client, client.execute_query("SELECT count(*) FROM shows") as cursor:
        print(cursor.fetchone()[0])
