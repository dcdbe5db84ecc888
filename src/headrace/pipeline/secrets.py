"""What a stored pipeline must not show: passwords in URLs, and credentials that a file spells out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from headrace.core.templates import names

MASK = "***"
_TELLING = ("apikey", "authorization", "token", "secret", "passw", "credential", "cookie")
_PASSWORD = re.compile(r"(://[^/?#@\s:]*:)[^/?#\s]*@")
_PASSWORD_PARAM = re.compile(r"((?:password|token|secret|key)=)[^&#\s]+", re.IGNORECASE)


def spells_out(key: str, value: Any) -> bool:
    """Whether a header or parameter holds a credential in the file itself, instead of in a variable."""
    flat = re.sub(r"[^a-z0-9]", "", key.lower())
    telling = flat == "key" or any(word in flat for word in _TELLING)
    return telling and isinstance(value, str) and bool(value) and not any(names(value))


def mask_url(url: str) -> str:
    """``url`` without its password."""
    return _PASSWORD_PARAM.sub(rf"\1{MASK}", _PASSWORD.sub(rf"\1{MASK}@", url))


def mask(data: Mapping[str, Any]) -> dict[str, Any]:
    """Plain data of a pipeline with the credentials of ``headers`` and ``params``, and passwords in URLs, masked."""
    return {key: _masked(key, value) for key, value in data.items()}


def _masked(key: str, value: Any) -> Any:
    if isinstance(value, str):
        return mask_url(value) if "://" in value else value
    if isinstance(value, list):
        return [_masked("", item) for item in value]
    if not isinstance(value, Mapping):
        return value
    if key in ("headers", "params"):
        return {name: MASK if spells_out(name, item) else _masked(name, item) for name, item in value.items()}
    return {name: _masked(name, item) for name, item in value.items()}
