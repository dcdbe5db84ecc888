"""A page's records as the exact text of a JSON array: counting, cutting apart, putting together."""

from __future__ import annotations

import json
from collections.abc import Iterable

from headrace.sources.decode._document import LIST, Document, Raw, first, refuse_crowd


def split(records: bytes) -> list[bytes]:
    """The exact text of each record of a JSON array."""
    refuse_crowd(records)
    document = Document(records)
    return [document.exact(part) for part in document.read(LIST)]


def count(records: bytes) -> int:
    """How many records a JSON array holds."""
    refuse_crowd(records)
    return len(Document(records).read(LIST))


def array(parts: Iterable[bytes]) -> bytes:
    return b"[" + b",".join(parts) + b"]"


def named(document: Document, field: str, name: str, raw: Raw) -> bytes:
    """A record with the name that a map gives it under ``field``; the record's own field of that name wins.

    What is no object is put under ``value``.
    """
    key = json.dumps(field).encode() + b":" + json.dumps(name).encode()
    text = document.exact(raw)
    if first(raw) != "{":
        return b"{" + key + b',"value":' + text + b"}"
    return b"{" + key + (b"," if document.members(raw) else b"") + text[1:]
