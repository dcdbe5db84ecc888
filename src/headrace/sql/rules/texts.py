"""Texts, patterns and digests."""

from __future__ import annotations

import re
from typing import Any

from sqlglot import exp

from headrace.sql.nodes import Node
from headrace.sql.portable import Rewriting
from headrace.sql.registry import rule
from headrace.sql.targets import call

_BLANKS = " \t\n\r\v\f"
_CLASSES = {"w": "A-Za-z0-9_", "d": "0-9", "s": " \\t\\n\\r\\f\\v"}
"""What most engines mean by these: PostgreSQL would take all letters and digits there are."""


@rule(exp.Lower, exp.Upper)
def _case(rw: Rewriting, node: Node) -> Node:
    return call("lower" if isinstance(node, exp.Lower) else "upper", node.this, kind="TEXT")


@rule(exp.Trim)
def _trim(rw: Rewriting, node: Node) -> Node:
    where = str(node.args.get("position") or "").upper()
    name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(where, "trim")
    signs = node.args.get("expression")
    if signs is None:
        signs = exp.Literal.string(_BLANKS if rw.query.dialect == "bigquery" else " ")
    return call(name, node.this, signs, kind="TEXT")


@rule(exp.Length)
def _length(rw: Rewriting, node: Node) -> Node:
    return call("length", node.this, kind="BIGINT")


@rule(exp.Substring)
def _substring(rw: Rewriting, node: Node) -> Node:
    start, length = node.args.get("start"), node.args.get("length")
    if not isinstance(start, exp.Literal) or start.is_string or start.name == "0":
        raise rw.refuse(node, "SUBSTR from a place that is no positive number")
    if length is None:
        return call("substring", node.this, start, kind="TEXT")
    _plain_length(rw, node, length)
    return call("substring_for", node.this, start, length, kind="TEXT")


def _plain_length(rw: Rewriting, node: Node, length: Any) -> None:
    if not isinstance(length, exp.Literal) or length.is_string:
        raise rw.refuse(
            node, "SUBSTR or LEFT with a length that is no plain number", "negative ones mean different things"
        )


@rule(exp.Left)
def _left(rw: Rewriting, node: Node) -> Node:
    _plain_length(rw, node, node.expression)
    return call("substring_for", node.this, 1, node.expression, kind="TEXT")


@rule(exp.Replace)
def _replace(rw: Rewriting, node: Node) -> Node:
    return call("replace", node.this, node.expression, node.args["replacement"], kind="TEXT")


@rule(exp.StartsWith, exp.EndsWith)
def _starts(rw: Rewriting, node: Node) -> Node:
    name = "starts_with" if isinstance(node, exp.StartsWith) else "ends_with"
    return call(name, node.this, node.expression, kind="BOOLEAN")


@rule(exp.StrPosition)
def _position(rw: Rewriting, node: Node) -> Node:
    if node.args.get("position") is not None or node.args.get("occurrence") is not None:
        raise rw.refuse(node, "a position counted from elsewhere than the beginning")
    return call("position", node.this, node.args["substr"], kind="BIGINT")


@rule(exp.Contains)
def _contains(rw: Rewriting, node: Node) -> Node:
    return exp.GT(this=call("position", node.this, node.expression, kind="BIGINT"), expression=exp.Literal.number(0))


@rule(exp.SplitPart)
def _split_part(rw: Rewriting, node: Node) -> Node:
    index = node.args.get("part_index")
    if not isinstance(index, exp.Literal) or index.is_string or index.name == "0":
        raise rw.refuse(node, "SPLIT_PART other than a positive part")
    if not isinstance(node.args["delimiter"], exp.Literal) or not node.args["delimiter"].name:
        raise rw.refuse(node, "SPLIT_PART by what is no plain text")
    return call("split_part", node.this, node.args["delimiter"], index, kind="TEXT")


@rule(exp.Like, exp.ILike)
def _like(rw: Rewriting, node: Node) -> Node:
    pattern = node.expression
    if not isinstance(pattern, exp.Literal) or "\\" in pattern.name:
        raise rw.refuse(node, "LIKE with a pattern that is computed or has a backslash")
    return call("like" if isinstance(node, exp.Like) else "ilike", node.this, pattern, kind="BOOLEAN")


@rule(exp.Concat)
def _concat(rw: Rewriting, node: Node) -> Node:
    parts = [_as_text(rw, node, part) for part in node.expressions]
    if rw.query.dialect == "postgresql":
        if any(rw.kind(part) == "bool" for part in node.expressions):
            raise rw.refuse(node, "CONCAT of a boolean", "cast it to text")
        parts = [exp.Coalesce(this=part, expressions=[exp.Literal.string("")]) for part in parts]
    return call("concat", *parts, kind="TEXT")


@rule(exp.DPipe)
def _pipe(rw: Rewriting, node: Node) -> Node:
    return call("concat", _as_text(rw, node, node.this), _as_text(rw, node, node.expression), kind="TEXT")


def _as_text(rw: Rewriting, node: Node, part: Any) -> Node:
    """A part of a text that is put together, when it is written the same everywhere. Raises SqlProblem otherwise."""
    kind = rw.kind(part)
    if kind in ("float", "decimal", "timestamp", "json"):
        raise rw.refuse(node, f"a {kind} as part of a text", "cast it to a whole number, or format it")
    return call("bool_to_text", part.copy(), kind="TEXT") if kind == "bool" else part


def _pattern(rw: Rewriting, node: exp.Expr, *, whole: bool = False) -> Any:
    """The pattern of a regular expression, when every engine reads it alike. ``whole``: what matches is used."""
    given = node.args.get("expression")
    text = given.name if isinstance(given, exp.Literal) and given.is_string else None
    bare = re.sub(r"\\[dws.\\/+*?()\[\]{}|^$-]", "a", text) if text is not None else ""
    odd = text is None or "\\" in bare or re.search(r"[*+?}][?+]|\(\?|\[\[|\[\^?\]", bare)
    words = text is not None and "\\w" in text and rw.query.dialect == "postgresql"  # all letters there are
    if odd or words or (whole and "|" in bare):
        raise rw.refuse(
            given if given is not None else node, "a regular expression that engines read differently",
            r"plain characters, . [] () * + ? {} ^ $ \d \w \s, and | only where nothing but a match counts",
        )  # fmt: skip
    assert given is not None
    if rw.target != "postgresql":
        return given
    inside = re.compile(r"\\([wds])(?=[^\[]*\])")
    plain = inside.sub(lambda found: _CLASSES[found[1]], given.name)
    plain = re.sub(r"\\([wds])", lambda found: f"[{_CLASSES[found[1]]}]", plain)
    any_sign = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|(\.)", re.DOTALL)  # a dot is no line's end elsewhere
    return exp.Literal.string(any_sign.sub(lambda found: r"[^\n]" if found[1] else found[0], plain))


@rule(exp.RegexpLike)
def _regexp(rw: Rewriting, node: Node) -> Node:
    if rw.query.dialect == "snowflake" or node.args.get("flag") is not None:
        raise rw.refuse(node, "REGEXP_LIKE", "Snowflake matches the whole text, others a part of it")
    return call("regexp_contains", node.this, _pattern(rw, node), kind="BOOLEAN")


@rule(exp.RegexpExtract)
def _regexp_extract(rw: Rewriting, node: Node) -> Node:
    if any(node.args.get(key) is not None for key in ("position", "occurrence", "parameters")):
        raise rw.refuse(node, "REGEXP_EXTRACT with more than a pattern")
    pattern = _pattern(rw, node, whole=True)
    if pattern.name.count("(") - pattern.name.count("\\(") > 1:
        raise rw.refuse(node, "REGEXP_EXTRACT with several groups")
    return call("regexp_extract", node.this, pattern, 1 if "(" in pattern.name.replace("\\(", "") else 0, kind="TEXT")


@rule(exp.RegexpReplace)
def _regexp_replace(rw: Rewriting, node: Node) -> Node:
    text = node.args.get("replacement")
    everywhere = rw.query.dialect != "postgresql" or str(node.args.get("modifiers") or "").strip("'") == "g"
    if not isinstance(text, exp.Literal) or "\\" in text.name or not everywhere:
        raise rw.refuse(node, "REGEXP_REPLACE other than every match by a plain text")
    pattern = _pattern(rw, node, whole=True)
    if re.search(node.args["expression"].name, ""):
        raise rw.refuse(node, "REGEXP_REPLACE of a pattern that matches nothing at all", "write + where it has *")
    return call("regexp_replace", node.this, pattern, text, kind="TEXT")


@rule(exp.MD5)
def _md5(rw: Rewriting, node: Node) -> Node:
    return call("md5", node.this, kind="TEXT")


@rule(exp.SHA2Digest)
def _digest(rw: Rewriting, node: Node) -> Node:
    if not isinstance(node.parent, exp.LowerHex) or str(node.args.get("length") or "256") != "256":
        raise rw.refuse(node, "a digest as bytes", "write TO_HEX(SHA256(x))")
    return node


@rule(exp.LowerHex)
def _hex(rw: Rewriting, node: Node) -> Node:
    if not isinstance(node.this, exp.SHA2Digest):
        raise rw.refuse(node, "TO_HEX of anything but MD5 and SHA256")
    return call("sha256", node.this.this, kind="TEXT")


@rule(exp.SHA2)
def _sha2(rw: Rewriting, node: Node) -> Node:
    if str(node.args.get("length") or "256") != "256":
        raise rw.refuse(node)
    return call("sha256", node.this, kind="TEXT")
