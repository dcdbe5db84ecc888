"""The matrix's own crawls: four ways of paging, each into a table of every write mode at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

STYLES = ("sequential", "windowed", "sliced", "fanned-out")
DESTINATIONS = ("duckdb", "sqlite", "postgresql")
IN_FLIGHT: Mapping[str, int] = {"sequential": 1, "windowed": 4, "sliced": 3, "fanned-out": 3}
MODES: Mapping[str, tuple[str, ...]] = {
    "append": ("appended", "tags"),
    "merge": ("merged", "parents"),
    "replace": ("replaced",),
    "sync": ("synced",),
    "scd2": ("historic",),
}
"""Write mode to the tables that have it."""

_COLUMNS = {
    "id": "id", "name": "name", "amount": "amount", "quantity": "quantity", "team": "owner.team", "tags": "tags",
    "note": "note", "fetched_at": {"value": "{fetched_at}", "type": "timestamp"}, "run": {"value": "{run_id}"},
}  # fmt: skip
_FEW = {"id": "id", "status": "status", "active": "active"}
"""Of these some stay as they were from one crawl to the next."""
_TABLES: list[dict[str, Any]] = [
    {"table": "merged", "key": ["id"], "columns": _COLUMNS},
    {"table": "appended", "write": "append", "columns": _COLUMNS},
    {"table": "replaced", "write": "replace", "key": ["id"], "columns": _COLUMNS},
    {
        "table": "historic",
        "write": "scd2",
        "key": ["id"],
        "columns": {**_FEW, "run": {"value": "{run_id}"}},
        "change_hash": {"without": ["run"]},
    },
    {
        "table": "synced",
        "write": "sync",
        "key": ["id"],
        "columns": _FEW,
        "staging": "staging_synced",
        "on_insert": {"wanted": True, "retries": 0},
        "on_change": {"status": {"wanted": True}},
    },
    {"table": "tags", "write": "append", "each": "tags.*", "columns": {"id": "^.id", "tag": ""}},
]
_CURSOR = {"type": "cursor", "param": "cursor", "response_path": "meta.next_cursor"}
_PARENTS = {
    "url": "/styles/cursor-more?records=7&limit=2",
    "pagination": {"type": "cursor", "param": "cursor", "response_path": "next", "more_path": "has_more"},
    "data_path": "items",
    "tables": [{"table": "parents", "key": ["id"], "columns": {"id": "id", "name": "name"}}],
}


def pipeline(style: str, base_url: str, records: int, size: int = 20) -> dict[str, Any]:
    """A crawl of about ``records`` records, ``size`` a page, as a pipeline file's document."""
    streams: dict[str, dict[str, Any]] = {
        "sequential": {"url": f"/styles/cursor-query?records={records}&limit={size}", "pagination": _CURSOR},
        "windowed": {
            "url": f"/styles/page-1?records={records}&per_page={size}",
            "pagination": {"type": "page", "param": "page"},
            "data_path": "results",
        },
        "sliced": {
            "url": f"/styles/cursor-query?limit={size}",
            "params": {"records": "{slice.size}"},
            "pagination": _CURSOR,
            "slices": {"each": {"size": [records // 3, records // 3 - 7, records // 10, 0, 41]}, "concurrency": 3},
        },
        "fanned-out": {
            "url": f"/styles/cursor-query?limit={size}",
            "params": {"records": "{slice.size}"},
            "pagination": _CURSOR,
            "slices": {"rows": f"SELECT id, id * {records // 28} AS size FROM parents ORDER BY id", "concurrency": 3},
        },
    }
    shared = {
        "base_url": base_url,
        "rate_limit": {"requests_per_second": 1000, "concurrency": IN_FLIGHT[style]},
        "commit_every": 0.02,
    }
    configs = {"crawl": {**shared, **streams[style], "tables": _TABLES}}
    if style == "fanned-out":
        configs = {"parents": {**shared, **_PARENTS}, **configs}
    steps = [{"step": name, "processor": "generic.api_extractor", "config": config} for name, config in configs.items()]
    return {"pipeline_id": "crash", "steps": steps}


def mode_of(table: str) -> str:
    """The write mode of a table, or of one that belongs to it (``merged_seen``)."""
    for mode, tables in MODES.items():
        if any(table == name or table.startswith(f"{name}_") for name in tables):
            return mode
    return "merge"
