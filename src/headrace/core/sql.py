"""SQL as source: files of named statements, with holes for identifiers."""

from __future__ import annotations

import re
from importlib.resources import files

_SECTION = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)
_HOLE = re.compile(r"\{(\w+)\}")


def sections(package: str, file: str) -> dict[str, str]:
    """The statements of a file of ``package``, by the name in the line ``-- name: NAME`` above each."""
    parts = _SECTION.split((files(package) / file).read_text("utf-8"))
    return {name: body.strip() for name, body in zip(parts[1::2], parts[2::2], strict=True)}


def fill(text: str, identifiers: dict[str, str]) -> str:
    """Put quoted identifiers (or lists and comparisons made of them) into the holes of a statement."""
    return _HOLE.sub(lambda match: identifiers[match.group(1)], text)
