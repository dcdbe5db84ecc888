"""What a secret looks like, by its name or by itself."""

from __future__ import annotations

import re
from typing import Any

_SECRET_NAME = re.compile(
    r"(?:.*[-_.])?(?:api|access|auth|app|client|consumer|private|secret|session|subscription|user|x)?[-_.]?"
    r"(?:key|apikey|token|secret|password|passwd|pwd|signature|sig|jwt|credentials?|auth|authorization|session|sessionid|sid)",
    re.IGNORECASE,
)
_PAGING_NAME = re.compile(r".*(?:page|next|cursor|contin|resum|sync|start|marker|scroll).*", re.IGNORECASE)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def looks_secret(value: str) -> bool:
    """Whether a value has the look of a key: long, letters and digits mixed, no words."""
    if _UUID.fullmatch(value) or not re.fullmatch(r"[\w.~+/=:%-]{20,}", value):
        return False
    return bool(re.search(r"[0-9]", value) and re.search(r"[A-Za-z]", value)) and not re.match(r"\d{4}-\d\d", value)


def named_secret(name: str) -> bool:
    """Whether a parameter, header or field is called as keys and tokens are; page tokens are none."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    return bool(_SECRET_NAME.fullmatch(spaced)) and not _PAGING_NAME.fullmatch(name)


def escaped(value: Any) -> Any:
    """A value of a request as a file has it: its braces are no variables."""
    if isinstance(value, str):
        return value.replace("{", "{{")
    if isinstance(value, dict):
        return {key: escaped(item) for key, item in value.items()}
    return [escaped(item) for item in value] if isinstance(value, list) else value
