"""What people write out of habit from elsewhere, and what it is called here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from headrace.core.suggest import did_you_mean

_WORDS = {
    "text": "string", "str": "string", "varchar": "string", "integer": "int", "bigint": "int", "number": "float",
    "double": "float", "numeric": "decimal", "boolean": "bool", "datetime": "timestamp", "timestamptz": "timestamp",
    "object": "json", "array": "json", "upsert": "merge", "update": "merge", "insert": "append", "overwrite": "replace",
    "truncate": "replace", "api_key": "header", "apikey": "header", "token": "bearer", "jwt": "bearer",
    "oauth": "oauth2", "links": "link", "page_number": "page", "ndjson": "jsonl", "strict": "freeze",
    "ignore": "continue",
}  # fmt: skip
"""A value, by what it is called here."""
_KEYS = {
    "name": "step", "id": "step", "type": "processor", "uses": "processor", "start": "from", "end": "to",
    "interval": "step", "depends_on": "needs", "retries": "retry", "primary_key": "key", "key_fields": "key",
    "fields": "columns", "cursor_path": "response_path", "page_size": "limit", "query": "params",
    "query_params": "params", "parameters": "params", "endpoint": "url",
}  # fmt: skip
_CREDENTIALS = frozenset({
    "token", "key", "value", "api_key", "username", "user", "password", "secret", "client_id", "client_secret",
    "access_token", "refresh_token", "credential", "credentials",
})  # fmt: skip
_UNIT = re.compile(r"(\d+(?:\.\d+)?)\s*[a-zA-Z%]+")


def key_meant(key: str, known: Iterable[str], *, auth: bool) -> str:
    """What follows ``unknown key``. ``auth``: it stands in an ``auth`` block."""
    names = list(known)
    if auth and key in _CREDENTIALS:
        return ": a credential is never in the file: name it with provider: NAME, and set NAME_API_KEY"
    if hint := did_you_mean(key, names):
        return hint
    if _KEYS.get(key) in names:
        return f", did you mean '{_KEYS[key]}'?"
    return f"; known here: {', '.join(names)}" if names else ""


def word_meant(word: str, known: Iterable[str]) -> str:
    """``, did you mean 'int'?`` or nothing."""
    names = list(known)
    if word in ("true", "false") and word in names:
        return f": write {word}, without quotes"
    same = [name for name in names if name.lower() == word.lower()]
    called = _WORDS.get(word.lower())
    if same or called in names:
        return f", did you mean '{same[0] if same else called}'?"
    return did_you_mean(word, names)


def shape_meant(value: Any, expected: Iterable[str], kinds: Iterable[str], only: str | None) -> str:
    """How to write ``value`` where something else than it was ``expected``. ``kinds`` are the types that may stand
    there, ``only`` the one key that a mapping there needs."""
    wanted = set(expected)
    plain = isinstance(value, str | int | float) and not isinstance(value, bool)
    if "a mapping" in wanted:
        if isinstance(value, list):
            return ": write key: value, without -"
        if isinstance(value, str) and value in (names := list(kinds)):
            return f": write {{type: {value}}}" if names else ""
        if plain and only is not None:
            return f": write {{{only}: {_written(value)}}}"
    if wanted == {"a list"}:
        if isinstance(value, dict):
            return ": begin each item with -"
        if plain:
            return f": write [{_written(value)}]"
    if isinstance(value, str) and wanted & {"a number", "a whole number"}:
        if unit := _UNIT.fullmatch(value):
            return f": write {unit[1]}, without a unit"
        if re.fullmatch(r"\d+,\d+", value):
            return f": write {value.replace(',', '.')}"
    return ""


def _written(value: Any) -> str:
    return f"'{value}'" if isinstance(value, str) and re.search(r"[^\w./-]", value) else str(value)
