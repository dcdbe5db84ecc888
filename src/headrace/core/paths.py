"""The path language: where a value lies in an answer.

``path = "" | seg ("." seg)*``, ``seg = name | "quoted" | integer | * | ^[n]``. An integer is an index
on a list (negative from the end) and a key on a map; ``*`` passes every element; ``^`` is the record
that ``each`` started from, ``^1`` … the elements that its first, second … ``*`` passed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

_SEGMENT = re.compile(
    r'"((?:[^"\\]|\\.)*)"|\^([0-9]{0,4})(?=\.|$)|(\*)(?=\.|$)|(-?[0-9]{1,18})(?=\.|$)|([^."*^\s][^."]*)'
)


@dataclass(frozen=True, slots=True)
class Star:
    """Every element of a list or map."""

    def __str__(self) -> str:
        return "*"


@dataclass(frozen=True, slots=True)
class Up:
    """The record itself (0), or the element that the n-th ``*`` of ``each`` passed."""

    level: int

    def __str__(self) -> str:
        return f"^{self.level or ''}"


Segment = str | int | Star | Up


@dataclass(frozen=True, slots=True)
class Path:
    """A parsed path; hashable, and shown as it was written."""

    segments: tuple[Segment, ...]
    text: str

    def __str__(self) -> str:
        return self.text or '""'

    @property
    def stars(self) -> int:
        return sum(isinstance(s, Star) for s in self.segments)


class PathSyntaxError(ValueError):
    """A path that cannot be read; says where."""


@lru_cache(maxsize=4096)
def parse(text: str) -> Path:
    """Read a path. Raises :class:`PathSyntaxError`."""
    if text == "":
        return Path((), "")
    segments: list[Segment] = []
    at = 0
    while True:
        match = _SEGMENT.match(text, at)
        if match is None:
            raise PathSyntaxError(
                f'path {text!r}, character {at + 1}: expected a name, a "quoted name", an index, * or ^'
            )
        quoted, up, star, index, name = match.groups()
        if quoted is not None:
            segments.append(re.sub(r"\\(.)", r"\1", quoted))
        elif up is not None:
            if segments:
                raise PathSyntaxError(f"path {text!r}: ^ may only stand at the beginning")
            segments.append(Up(int(up or 0)))
        elif star:
            segments.append(Star())
        elif index is not None:
            segments.append(int(index))
        else:
            segments.append(name)
        at = match.end()
        if at == len(text):
            return Path(tuple(segments), text)
        if text[at] != ".":
            raise PathSyntaxError(f"path {text!r}, character {at + 1}: expected a dot")
        at += 1


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Any = _Missing()
"""A path that leads nowhere (``None`` is a value: the answer said null)."""


def step(value: Any, segment: Segment) -> Any:
    """One segment (a name or an index) down from ``value``; :data:`MISSING` if it leads nowhere."""
    if isinstance(value, dict):
        return value.get(str(segment), MISSING)
    if isinstance(value, list) and isinstance(segment, int):
        return value[segment] if -len(value) <= segment < len(value) else MISSING
    return MISSING


def get(value: Any, path: Path) -> Any:
    """The value at ``path`` (without ``*`` or ``^``) below decoded JSON, or :data:`MISSING`."""
    for segment in path.segments:
        value = step(value, segment)
        if value is MISSING:
            return MISSING
    return value
