"""``{name}`` in a string: looked up, never evaluated. ``{{`` is a literal brace, ``{{name}}`` is ``{name}``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from headrace.core.errors import InputError
from headrace.core.suggest import did_you_mean

_NAME = r"([A-Za-z_][\w-]*(?:\.[\w-]+)*)"
_HOLE = re.compile(rf"\{{\{{(?:{_NAME}\}}\}})?|\{{{_NAME}\}}")

Lookup = Callable[[str], Any]


class UnknownVariable(InputError):
    """A variable that nothing gives a value."""

    def __init__(self, name: str, known: list[str], *, place: str = "") -> None:
        super().__init__(
            f"unknown variable {{{name}}}{did_you_mean(name, known)}",
            hint=f"known here: {', '.join(sorted(known)) or 'none'}; a literal brace is {{{{",
            place=place,
        )
        self.name = name


def names(text: str) -> Iterator[str]:
    """The variables that ``text`` uses, in order."""
    for match in _HOLE.finditer(text):
        if match.group(2):
            yield match.group(2)


def render(text: str, lookup: Lookup) -> Any:
    """Fill the holes of ``text``. A text that is one hole gives the value itself (its type kept);
    otherwise values are written as text: true, false, lists comma-joined, null as nothing."""
    whole = _HOLE.fullmatch(text)
    if whole and whole.group(2):
        return lookup(whole.group(2))

    def fill(match: re.Match[str]) -> str:
        literal, name = match.groups()
        if name is None:
            return "{" if literal is None else f"{{{literal}}}"
        return as_text(lookup(name))

    return _HOLE.sub(fill, text)


def render_tree(value: Any, lookup: Lookup) -> Any:
    """:func:`render` on every string below ``value``."""
    if isinstance(value, str):
        return render(value, lookup)
    if isinstance(value, Mapping):
        return {key: render_tree(item, lookup) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [render_tree(item, lookup) for item in value]
    return value


def as_text(value: Any) -> str:
    """How a value is written into a text or a query parameter."""
    if value is None:
        return ""
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ",".join(as_text(item) for item in value)
    return str(value)
