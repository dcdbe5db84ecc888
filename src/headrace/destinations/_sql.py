"""SQL texts by name, from ``sql/common.sql`` and ``sql/<dialect>.sql`` (which wins)."""

from __future__ import annotations

import re
from functools import cache
from hashlib import sha256
from importlib.resources import files

_SECTION = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)
_HOLE = re.compile(r"\{(\w+)\}")


def quote(name: str) -> str:
    """A name as an SQL identifier, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def names(columns: list[str] | tuple[str, ...], alias: str = "") -> str:
    """Quoted, comma-joined."""
    head = f"{alias}." if alias else ""
    return ", ".join(head + quote(column) for column in columns)


def _sections(file: str) -> dict[str, str]:
    text = (files("headrace.destinations") / "sql" / file).read_text("utf-8")
    parts = _SECTION.split(text)
    return {name: body.strip() for name, body in zip(parts[1::2], parts[2::2], strict=True)}


@cache
def statements(dialect: str) -> dict[str, str]:
    """The dialect's statements by name."""
    return _sections("common.sql") | _sections(f"{dialect}.sql")


def fill(text: str, identifiers: dict[str, str]) -> str:
    """Put quoted identifiers (or lists and comparisons made of them) into the holes of a statement."""
    return _HOLE.sub(lambda match: identifiers[match.group(1)], text)


def fit(name: str, limit: int | None) -> str:
    """``name``, or its beginning and a hash where the database would cut it off."""
    if limit is None or len(name.encode()) <= limit:
        return name
    digest = sha256(name.encode()).hexdigest()[:10]
    return name.encode()[: limit - 11].decode(errors="ignore") + "_" + digest
