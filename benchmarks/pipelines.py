"""The pipelines that the benchmarks run, apart from ``films.yml``; written as JSON, which is YAML too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CURSOR = {"type": "cursor", "param": "cursor", "response_path": "nextCursor", "more_path": "hasMore"}
PAGE = {"type": "page", "param": "page", "more_path": "hasMore"}
FAST = {"requests_per_second": 1_000_000}
SMALL_COLUMNS: dict[str, Any] = {
    "id": "id", "name": "name", "state": "state", "score": "score",
    "updated_at": {"path": "updatedAt", "type": "timestamp"},
}  # fmt: skip


def pipeline(folder: Path, name: str, config: dict[str, Any]) -> Path:
    """A file with one extract step over ``{base}``."""
    document = {
        "pipeline_id": name,
        "steps": [{"step": "crawl", "processor": "generic.api_extractor", "config": config}],
    }
    path = folder / f"{name}.yml"
    path.write_text(json.dumps(document, indent=1))
    return path


def small(folder: Path, *, incremental: bool = False, **table: Any) -> Path:
    """Small records along a cursor, merged by key unless ``table`` says otherwise."""
    items = {"table": "items", "key": ["id"], "columns": SMALL_COLUMNS} | table
    config = {"url": "{base}/shows", "pagination": CURSOR, "data_path": "shows", "rate_limit": FAST,
              "max_pages": 1_000_000, "tables": [items]}  # fmt: skip
    if incremental:
        config["incremental"] = {"param": "since", "cursor_path": "updatedAt"}
    return pipeline(folder, f"small_{items.get('write', 'merge')}", config)


def paged(folder: Path, concurrency: int) -> Path:
    """Small records by page number, with so many requests in flight."""
    config = {"url": "{base}/shows", "pagination": PAGE, "data_path": "shows",
              "rate_limit": FAST | {"concurrency": concurrency},
              "tables": [{"table": "items", "key": ["id"], "columns": SMALL_COLUMNS}]}  # fmt: skip
    return pipeline(folder, f"paged_{concurrency}", config)


def sliced(folder: Path, slices: int, concurrency: int = 16) -> Path:
    """One page a slice."""
    config = {"url": "{base}/shows", "params": {"slice": "{slice.number}"}, "pagination": CURSOR, "data_path": "shows",
              "rate_limit": FAST | {"concurrency": concurrency},
              "slices": {"each": {"number": list(range(slices))}, "concurrency": concurrency},
              "tables": [{"table": "items", "key": ["id"], "columns": SMALL_COLUMNS}]}  # fmt: skip
    return pipeline(folder, f"sliced_{slices}", config)


def limited(folder: Path, rate_limit: dict[str, Any], pages: int, size: int = 10) -> Path:
    """So many pages of the sandbox, the last of them empty, asked with a credential and under a rate limit."""
    config = {"url": "{base}/styles/page-1", "params": {"per_page": size, "records": (pages - 1) * size},
              "auth": {"type": "header", "header_name": "X-Api-Key", "provider": "BENCH"},
              "pagination": {"type": "page", "param": "page"}, "data_path": "results", "rate_limit": rate_limit,
              "tables": [{"table": "items", "key": ["id"]}]}  # fmt: skip
    return pipeline(folder, "limited", config)
