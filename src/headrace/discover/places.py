"""The names that positions have in requests and answers."""

from __future__ import annotations

import re

PAGES = ("page", "page_number", "pageNumber", "page[number]", "pageIndex", "page_index", "p", "pg")
OFFSETS = (
    "offset",
    "skip",
    "$skip",
    "start",
    "startAt",
    "start_at",
    "startIndex",
    "start_index",
    "from",
    "page[offset]",
)
CURSORS = (
    "cursor", "after", "page_token", "pageToken", "next_token", "nextToken", "starting_after", "start_cursor", "marker",
    "continuation", "continuation_token", "continuationToken", "resumptionToken", "scroll_id", "page[cursor]",
    "page[after]", "next_cursor", "nextCursor", "$skiptoken",
)  # fmt: skip
LAST_KEYS = ("starting_after", "after", "after_id", "since_id", "last_id")
"""Parameters that take the key of the last record."""
_ALWAYS = frozenset({*PAGES[:-2], *CURSORS, "offset", "skip", "$skip", "startAt", "start_at", "page[offset]"})
_BY_NAME = {
    "endcursor": "after", "nextcursor": "cursor", "next": "cursor", "nextpagetoken": "page_token", "nexttoken": "next_token",
    "nextmarker": "marker", "nextpage": "page", "nextoffset": "offset", "nextskip": "skip", "nextstart": "start",
}  # fmt: skip


def is_position(name: str, value: str) -> bool:
    """Whether a query parameter says where in the list to begin; dates and words under ``start`` or ``from`` do not."""
    if name == "after":
        return not re.match(r"\d{4}-\d\d", value)
    return name in _ALWAYS or (name in (*PAGES, *OFFSETS) and value.isdigit() and len(value) < 8)


def params_for(name: str) -> list[str]:
    """The parameters that may take what an answer holds under ``name``, the likeliest first."""
    flat = re.sub(r"[^a-z0-9]", "", re.sub(r"^x-", "", name.lower()))
    camel = re.sub(r"[-_ ]+(\w)", lambda m: m[1].upper(), name)
    tail = re.sub(r"^(?:x[-_])?(?:next|end)[-_]?(?=.)", "", name, flags=re.IGNORECASE)
    tail = tail[:1].lower() + tail[1:]
    guesses = [
        _BY_NAME.get(flat, ""),
        *([tail] if tail.lower() != name.lower() else []),
        camel,
        name,
        "cursor",
        "after",
    ]
    return list(dict.fromkeys(guess for guess in guesses if guess and re.fullmatch(r"[\w$@.\[\]-]+", guess)))


def header_name(name: str) -> str:
    """``X-Next-Cursor`` of x-next-cursor."""
    return "-".join(part.capitalize() for part in name.split("-"))
