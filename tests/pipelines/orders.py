"""Pipelines that fetch a few orders, and make something of them by SQL."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headrace.testing.api import Api

ORDERS: list[dict[str, Any]] = [
    {"id": 1, "customer": "ann", "amount": 10.5, "at": "2026-01-02T03:04:05Z"},
    {"id": 2, "customer": "bob", "amount": 20.0, "at": "2026-01-03T00:00:00Z"},
    {"id": 3, "customer": "ann", "amount": 0.25, "at": "2026-02-01T12:00:00Z"},
]
TOTALS = "SELECT customer, SUM(amount) AS total, COUNT(*) AS n FROM orders GROUP BY customer"


def pipeline(place: Any, api: Api, *steps: Mapping[str, Any], name: str = "made", **top: Any) -> Path:
    """A file that fetches the orders, and SQL steps (``config`` with the step's name as ``step``)."""
    crawl = {
        "url": f"{api.url}/orders",
        "tables": [
            {
                "table": "orders", "key": ["id"],
                "columns": {
                    "id": {"path": "id", "type": "int"}, "customer": {"path": "customer", "type": "string"},
                    "amount": {"path": "amount", "type": "float"}, "at": {"path": "at", "type": "timestamp"},
                },
            }
        ],
    }  # fmt: skip
    written = [{"step": "crawl", "processor": "generic.api_extractor", "config": crawl}]
    for step in steps:
        config = {"dialect": "bigquery", **step}
        written.append({"step": config.pop("step", "totals"), "processor": "generic.sql_transformer", "config": config})
    path: Path = place.folder / f"{name}.yml"
    path.write_text(json.dumps({"pipeline_id": name, **top, "steps": written}))
    return path
