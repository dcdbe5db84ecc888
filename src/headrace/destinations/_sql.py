"""SQL texts by name, from ``sql/common.sql`` and ``sql/<dialect>.sql`` (which wins)."""

from __future__ import annotations

from functools import cache
from hashlib import sha256

from headrace.core.sql import sections


def quote(name: str) -> str:
    """A name as an SQL identifier, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def names(columns: list[str] | tuple[str, ...], alias: str = "") -> str:
    """Quoted, comma-joined."""
    head = f"{alias}." if alias else ""
    return ", ".join(head + quote(column) for column in columns)


@cache
def statements(dialect: str) -> dict[str, str]:
    """The dialect's statements by name."""
    both = (sections("headrace.destinations", f"sql/{name}.sql") for name in ("common", dialect))
    return {name: text for file in both for name, text in file.items()}


def fit(name: str, limit: int | None) -> str:
    """``name``, or its beginning and a hash where the database would cut it off."""
    if limit is None or len(name.encode()) <= limit:
        return name
    digest = sha256(name.encode()).hexdigest()[:10]
    return name.encode()[: limit - 11].decode(errors="ignore") + "_" + digest
