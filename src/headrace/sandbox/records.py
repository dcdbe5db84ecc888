"""The records behind ``/styles/…``: one for each index, the same for the same seed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from headrace.sandbox import words
from headrace.sandbox.draw import Draw

_START = datetime(2024, 1, 1, tzinfo=UTC)
_STATES = ("new", "open", "held", "closed")
_TAGS = ("alpha", "b,eta", 'ga"mma', "δέλτα", "e psilon", "zeta\tz")


def record(seed: int, index: int, size: int = 0) -> dict[str, Any]:
    """Record ``index`` (its ``id`` is ``index + 1``), padded to about ``size`` bytes of JSON."""
    draw = Draw("record", seed, index)
    created = _START + timedelta(minutes=7 * index)
    row: dict[str, Any] = {
        "id": index + 1,
        "name": words.title(draw, index),
        "status": draw.pick(_STATES),
        "amount": draw.below(10_000_000) / 100,
        "quantity": None if draw.chance(5) else draw.below(500),
        "active": draw.chance(70),
        "owner": {"name": words.person(draw), "team": draw.below(40)},
        "tags": draw.some(_TAGS, 0, 3),
        "created_at": created.isoformat().replace("+00:00", "Z"),
        "updated_at": (created + timedelta(seconds=draw.below(86_400))).isoformat().replace("+00:00", "Z"),
    }
    if draw.chance(10):
        row["note"] = words.sentence(draw, 1)
    if size > 330:
        row["text"] = words.sentence(draw, size // 60)[: size - 330]
    return row


def flat(row: dict[str, Any]) -> dict[str, Any]:
    """The scalar fields of a record, for formats without nesting; all records have the same fields."""
    return {
        "id": row["id"],
        "name": row["name"],
        "status": row["status"],
        "amount": row["amount"],
        "quantity": row["quantity"],
        "active": row["active"],
        "owner_name": row["owner"]["name"],
        "created_at": row["created_at"],
        "note": row.get("note"),
    }
