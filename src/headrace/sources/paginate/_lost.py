"""Telling the end of a crawl from a path that is misspelt."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from headrace.core.contracts import Answer
from headrace.core.errors import PathNotFound
from headrace.core.paths import Path
from headrace.core.suggest import did_you_mean

_PAGING = re.compile(r"next|cursor|token|paging|pagination|pageinfo|more|after|links|continu", re.IGNORECASE)
_FLAG = re.compile(r"(?:has|is)?[-_]?(?:more|next)(?:[-_]?pages?)?", re.IGNORECASE)


def signs(members: Mapping[str, Any], depth: int = 3) -> list[str]:
    """The members that look like paging that goes on: named so, and holding something."""
    found: list[str] = []
    for name, value in members.items():
        if isinstance(value, dict):
            if depth and (inner := signs(value, depth - 1)):
                found += [f"{name}.{key}" for key in inner]
        elif _PAGING.search(name) and value is not ... and not isinstance(value, list) and _holds(value):
            found.append(name)
    return found


def flagged(members: Mapping[str, Any], depth: int = 2) -> str | None:
    """The flag that says there is more, such as ``has_more: true``, although nothing in the file names it."""
    for name, value in members.items():
        if value is True and _FLAG.fullmatch(name):
            return name
        if depth and isinstance(value, dict) and (inner := flagged(value, depth - 1)):
            return f"{name}.{inner}"
    return None


def _holds(value: Any) -> bool:
    return value not in (None, False, "", 0, "false", "null")


def refuse_lost(answer: Answer, path: Path, key: str, *, full: bool) -> None:
    """Raise PathNotFound when ``path`` leads nowhere on the first page although there seems to be more."""
    going_on = signs(answer.envelope.around(path)[1])
    if not (full or going_on):
        return
    reason = f"although there is {', '.join(map(repr, going_on))}" if going_on else "although the page is full"
    raise lost(answer, path, key, reason)


def lost(answer: Answer, path: Path, key: str, reason: str) -> PathNotFound:
    """The error that lists the keys there are."""
    stopped, members = answer.envelope.around(path)
    place = f"'{stopped}'" if stopped.segments else "the root of the answer"
    wanted = str(path.segments[len(stopped.segments)]) if len(path.segments) > len(stopped.segments) else ""
    names = list(members) or list(answer.envelope.keys)
    there = f"{place} has the keys {', '.join(names)}{did_you_mean(wanted, names)}" if names else f"{place} has no keys"
    return PathNotFound(
        f"pagination.{key} '{path}' leads nowhere on page {answer.page_number}, {reason}: {there}",
        hint=f"set pagination.{key} to where it is; if its absence is the end, add optional: true",
    )
