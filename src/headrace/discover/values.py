"""The values of an answer outside its records, and what their names tell of paging."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from headrace.discover.records import path_text

FLAG = re.compile(r"(?:has|is)?[-_ ]?(?:more|next)(?:[-_]?(?:pages?|results|items|records))?", re.IGNORECASE)
TOTAL = re.compile(
    r"(?:total|count)[-_]?(?:count|results|records|items|size|elements|hits)?|\w*total[-_]?results|num(?:ber)?[-_]?(?:of[-_]?)?(?:found|results|hits)|found",
    re.IGNORECASE,
)
PAGE_COUNT = re.compile(r"(?:total|num|number[-_]of|last)?[-_]?pages?(?:[-_]?(?:count|total))?", re.IGNORECASE)
CURSOR = re.compile(r".*(?:next|cursor|after|token|contin|resum|scroll|marker|offset|bookmark).*", re.IGNORECASE)
BACK = re.compile(r".*(?:prev|before|first|last|self|start|csrf).*", re.IGNORECASE)
LINK = re.compile(r"https?://\S+|[/?]\S*[=/]\S*")


@dataclass(frozen=True)
class Value:
    """A value of an answer, outside its records."""

    path: tuple[str, ...]
    value: Any

    @property
    def name(self) -> str:
        return next(part for part in reversed(self.path) if not part.isdigit())

    @property
    def text(self) -> str:
        return path_text(self.path)


def around(node: Any, records: str, at: tuple[str, ...] = ()) -> Iterator[Value]:
    """The values of an answer outside its records, which are at the path ``records``: at most six levels deep, and of
    each list the first five."""
    if at and (path_text(at) == records or records.startswith(f"{path_text(at)}.*")):
        return
    members = node.items() if isinstance(node, dict) else enumerate(node[:5]) if isinstance(node, list) else ()
    if len(at) > 5 or (not at and not records):
        return
    for name, value in members:
        here = (*at, str(name))
        if path_text(here) != records:
            yield Value(here, value)
            yield from around(value, records, here)


def is_cursor(one: Value) -> bool:
    """Whether the next request may carry the value: its name leads on, and it is no address, flag or zero."""
    value = one.value
    if BACK.fullmatch(one.name) or not CURSOR.fullmatch(one.name):
        return False
    if isinstance(value, dict):
        return bool(re.fullmatch(r"continue|next[-_]?params?", one.name)) and all(
            isinstance(v, str | int) for v in value.values()
        )
    if isinstance(value, str):
        return bool(value) and not re.match(r"https?://", value)
    return isinstance(value, int) and not isinstance(value, bool) and value > 0 and one.name.lower() != "offset"
