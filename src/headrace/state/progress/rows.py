"""How a request is kept: its fields as columns or hash fields, checked once for all stores."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from headrace.core.errors import ScopeIsBusy
from headrace.state.progress.contract import ENDED, Request

COLUMNS = tuple(field.name for field in fields(Request))
JSON = frozenset({"inputs", "options", "detail"})
NUMBERS = frozenset({"rows", "pages", "requests", "created_at", "started_at", "updated_at", "finished_at"})
_FIXED = frozenset({"request_id", "org", "scope", "owner", "created_at"})
_GREATEST = 2**63 - 1
_UNKEPT = re.compile("[\0\ud800-\udfff]")


def checked(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Changes of :meth:`~headrace.state.progress.contract.ProgressStore.update`, as they are kept. Raises TypeError
    for what is no field that can change, ValueError for a status that only another method sets."""
    unknown = changes.keys() - set(COLUMNS) | changes.keys() & _FIXED
    if unknown:
        raise TypeError(f"not a field of a request that can change: {', '.join(sorted(unknown))}")
    status = changes.get("status", "running")
    if status != "running" and status not in ENDED:
        raise ValueError(f"a request that is held cannot become {status!r}: {', '.join(sorted(ENDED))}")
    return {name: kept(name, value) for name, value in changes.items()}


def kept(name: str, value: Any) -> Any:
    """A field's value as text, number or ``None``; what stores cannot hold in a text (NUL, half a surrogate pair)
    becomes U+FFFD."""
    if name in JSON:
        return as_json(value)
    if name == "progress":
        return None if value is None else float(value)
    if name in NUMBERS or name == "cancel":
        return int(value)
    return clean(value)


def clean(text: str) -> str:
    return _UNKEPT.sub("\ufffd", text)


def as_json(value: Any) -> str:
    """ASCII, so that any text fits; what JSON lacks (dates) becomes text."""
    return json.dumps(dict(value), default=str)


def values(request: Request) -> list[Any]:
    return [kept(name, getattr(request, name)) for name in COLUMNS]


def request_of(row: Sequence[Any]) -> Request:
    """The request whose :data:`COLUMNS` are ``row``."""
    named = dict(zip(COLUMNS, row, strict=True))
    for name in JSON:
        named[name] = json.loads(named[name])
    return Request(**{**named, "cancel": bool(named["cancel"])})


def busy(request_id: str) -> ScopeIsBusy:
    return ScopeIsBusy(
        f"request {request_id} runs, or waits to run, the same pipeline with the same inputs into the same place",
        request_id=request_id,
        hint="look at that one, or cancel it first",
    )


def microseconds(seconds: float) -> int:
    return round(seconds * 1_000_000)


def bound(value: Any) -> Any:
    """A parameter of an SQL statement that may come from outside: a text that can be sent, a number that fits."""
    if isinstance(value, str):
        return clean(value)
    return max(-_GREATEST, min(value, _GREATEST)) if isinstance(value, int) else value
