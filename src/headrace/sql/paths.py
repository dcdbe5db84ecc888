"""Paths into JSON documents, as each destination writes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sqlglot import exp

if TYPE_CHECKING:
    from headrace.sql.portable import Rewriting


def json_path(rw: Rewriting, node: exp.Expr, path: Any = None) -> exp.Expr:
    """``path`` as the target writes it (``None``: the whole document). Raises SqlProblem for one with wildcards and the
    like."""
    steps = [] if path is None else list(_steps(rw, node, path))
    if rw.target == "postgresql":
        escaped = (str(step).replace("\\", "\\\\").replace('"', '\\"') for step in steps)
        text = "{" + ",".join(f'"{step}"' for step in escaped) + "}"
        return exp.cast(exp.Literal.string(text), "text[]")
    if any(isinstance(step, str) and '"' in step for step in steps):
        raise rw.refuse(node, "a JSON path with a quotation mark in a key")
    text = "$" + "".join(f"[{step}]" if isinstance(step, int) else f'."{step}"' for step in steps)
    return exp.Literal.string(text)


def _steps(rw: Rewriting, node: exp.Expr, path: Any) -> Iterator[str | int]:
    if isinstance(path, exp.Literal):
        if not path.is_string:
            yield int(path.name)
        elif path.name.startswith("{") and path.name.endswith("}"):
            yield from (int(part) if part.isdigit() else part.strip('"') for part in path.name[1:-1].split(",") if part)
        else:
            yield path.name
        return
    if not isinstance(path, exp.JSONPath):
        raise rw.refuse(node, "a JSON path that is not a text in the query")
    for part in path.expressions:
        if isinstance(part, exp.JSONPathRoot):
            continue
        value = part.args.get("this")
        if (isinstance(part, exp.JSONPathKey) and isinstance(value, str)) or (
            isinstance(part, exp.JSONPathSubscript) and isinstance(value, int) and value >= 0
        ):
            yield value
        else:
            raise rw.refuse(node, "a JSON path with wildcards, slices, filters or negative indexes")
