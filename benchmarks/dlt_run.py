"""dlt's rest_api source at its best settings. ``dlt_run.py URL DUCKDB_FILE FOLDER``."""

from __future__ import annotations

import os
import sys

url, file, folder = sys.argv[1:4]
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

if __name__ == "__main__":
    source = rest_api_source(
        {
            "client": {
                "base_url": url,
                "paginator": {"type": "cursor", "cursor_path": "nextCursor", "cursor_param": "cursor"},
            },
            "resource_defaults": {"primary_key": "id", "write_disposition": "merge", "max_table_nesting": 0},
            "resources": [{"name": "shows", "endpoint": {"path": "shows", "data_selector": "shows"}}],
        }
    )
    pipeline = dlt.pipeline(
        "bench", destination=dlt.destinations.duckdb(file), dataset_name="bench", pipelines_dir=folder
    )
    pipeline.run(source, loader_file_format="parquet")
    with pipeline.sql_client() as client, client.execute_query("SELECT count(*) FROM shows") as cursor:
        print(cursor.fetchone()[0])
