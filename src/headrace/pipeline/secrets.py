"""What a stored pipeline must not show: passwords in URLs, and credentials that a file spells out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from headrace.core.templates import names

MASK = "***"
_TELLING = (
    "apikey", "accesskey", "subscriptionkey", "authkey", "appkey", "privatekey", "authorization", "token", "secret",
    "passw", "credential", "cookie",
)  # fmt: skip
_PASSWORD = re.compile(r"(://[^/?#@\s:]*:)[^/?#\s]*@")
_USER = re.compile(r"(https?://)[^/?#@\s]+@", re.IGNORECASE)
"""Of an API: a database's user is no secret, but here even the name alone may be a token."""
_PASSWORD_PARAM = re.compile(r"((?:password|token|secret|key)=)[^&#\s]+", re.IGNORECASE)


def spells_out(key: str, value: Any) -> bool:
    """Whether a header or parameter holds a credential in the file itself, instead of in a variable."""
    flat = re.sub(r"[^a-z0-9]", "", key.lower())
    telling = flat in ("key", "xkey") or any(word in flat for word in _TELLING)
    return telling and isinstance(value, str) and bool(value) and not any(names(value))


def mask_url(url: str) -> str:
    """``url`` without its password, and of an http URL without the user either."""
    return _PASSWORD_PARAM.sub(rf"\1{MASK}", _PASSWORD.sub(rf"\1{MASK}@", _USER.sub(rf"\1{MASK}@", url)))


_REQUEST = frozenset({"headers", "params", "form", "json", "variables", "extra"})
"""Keys of a step whose members are sent; elsewhere a telling name is a column's or a parameter's."""


def mask(data: Mapping[str, Any]) -> dict[str, Any]:
    """Plain data of a pipeline with the credentials that it spells out, and passwords in URLs, masked."""
    return {key: _masked(key, value, sent=False) for key, value in data.items()}


def _masked(key: str, value: Any, *, sent: bool) -> Any:
    if isinstance(value, str):
        if sent and spells_out(key, value):
            return MASK
        return mask_url(value) if "://" in value else value
    if isinstance(value, list):
        return [_masked(key, item, sent=sent) for item in value]
    if not isinstance(value, Mapping):
        return value
    inside = sent or key in _REQUEST
    return {name: _masked(name, item, sent=inside) for name, item in value.items()}


def spelled_out(data: Any, render: Callable[[str], str]) -> Iterator[str]:
    """The credentials that :func:`mask` hides, and those that a telling header or parameter takes from the
    environment: what a run must not keep or show. ``render`` fills in ``{env.…}``."""
    for key, value, sent in _texts("", data, sent=False):
        holes = list(names(value))
        if sent and (spells_out(key, value) or (holes and spells_out(key, "literal"))):
            if all(name.startswith("env.") for name in holes):
                text = render(value)
                yield text
                yield text.partition(" ")[2].strip()  # the token behind Bearer or Basic
        elif "://" in value or key == "url":
            yield from _in_url(value)


def _texts(key: str, value: Any, *, sent: bool) -> Iterator[tuple[str, str, bool]]:
    if isinstance(value, str):
        yield key, value, sent
    elif isinstance(value, list):
        for item in value:
            yield from _texts(key, item, sent=sent)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _texts(name, item, sent=sent or key in _REQUEST)


def _in_url(url: str) -> Iterator[str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    yield from (unquote(password or user), password or user)
    yield from (value for name, value in parse_qsl(parts.query) if spells_out(name, value))


def sensitive_columns(resolved: Mapping[str, Any]) -> frozenset[str]:
    """The columns that the tables of a resolved pipeline mark ``sensitive``, case-folded: a name that is sensitive in
    one table is so in all, since SQL carries columns from table to table."""
    found: set[str] = set()
    for entry in resolved.get("steps", ()):
        for table in (entry.get("config") or {}).get("tables") or ():
            for name, column in (table.get("columns") or {}).items():
                if isinstance(column, Mapping) and column.get("sensitive"):
                    found.add(name.casefold())
    return frozenset(found)
