"""``{variables}`` in SQL: which ones a text uses. Comments count for nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator

from headrace.core import templates

OWN = ("project", "dataset")
"""Variables that the destination gives: the database and the schema that its tables are in."""
NAME = r"[A-Za-z_][\w-]*(?:\.[\w-]+)*"
HOLE = re.compile(rf"\{{({NAME})\}}")
_TOKEN = re.compile(
    r"""(?P<comment>--[^\n]*|/\*.*?\*/)|'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|`[^`]*`""", re.DOTALL | re.VERBOSE
)


def names(text: str) -> Iterator[str]:
    """The variables that a run has to give, in order."""
    plain = _TOKEN.sub(lambda found: "" if found["comment"] else found[0], text)
    return (name for name in templates.names(plain) if name not in OWN)
