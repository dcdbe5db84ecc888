"""Casts."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from headrace.sql.nodes import Node
from headrace.sql.paths import json_path
from headrace.sql.portable import Rewriting
from headrace.sql.registry import rule
from headrace.sql.targets import call


@rule(exp.Cast, exp.TryCast)
def _cast(rw: Rewriting, node: Node) -> Node:
    if isinstance(node.to, exp.DataType) and node.find_ancestor(exp.Anonymous) is not None and node.is_type("text[]"):
        return node
    trying = isinstance(node, exp.TryCast)
    inner, before = node.this, rw.kind(node.this)
    if isinstance(inner, exp.Anonymous) and inner.this == "headrace.json_part":
        inner = call("json_any_text", *inner.expressions, kind="TEXT")
        before = "text"
    elif before == "json" and isinstance(inner, exp.Column | exp.Anonymous):
        whole = json_path(rw, node)
        inner, before = call("json_any_text", inner, whole, kind="TEXT"), "text"
    after = rw.kind(node)
    kind = node.to.sql()
    if (
        after == "decimal"
        and rw.query.dialect == "snowflake"
        and [p.name for p in node.to.expressions][1:] in ([], ["0"])
    ):
        after = "int"  # NUMBER is NUMBER(38, 0)
    if trying and after not in ("int", "float"):
        raise rw.refuse(node, f"SAFE_CAST or TRY_CAST to {kind}", "to whole numbers and floats only")
    if trying and before not in ("text", "int", ""):
        raise rw.refuse(node, f"SAFE_CAST or TRY_CAST of a {before}", "of texts and whole numbers only: write CAST")
    match after:
        case "int" if trying:
            return _try_int(rw, inner)
        case "float" if trying:
            return call("try_float", inner, kind="DOUBLE")
        case "int" if rw.query.dialect == "postgresql" and before in ("float", ""):
            if not before:
                raise rw.refuse(node, "a value whose type is not known as a whole number", "floats round to the even number, others up: cast it to double precision or numeric before")  # fmt: skip
            return call("to_int_even", inner, kind="BIGINT")
        case "int":
            return call("bool_to_int" if before == "bool" else "to_int", inner, kind="BIGINT")
        case "float":
            return call("to_float", inner, kind="DOUBLE")
        case "text" if before in ("float", "timestamp", "decimal"):
            raise rw.refuse(node, f"a {before} as text", "FORMAT_TIMESTAMP or TO_CHAR gives a time as text" if before == "timestamp" else "round it, or cast it to a whole number")  # fmt: skip
        case "text":
            return call("bool_to_text" if before == "bool" else "to_text", inner, kind="TEXT")
        case "bool" if before == "bool":
            return inner
        case "bool":
            return call("text_to_bool", inner, kind="BOOLEAN")
        case "date":
            return call("date", inner, kind="DATE")
        case "timestamp":
            return call("timestamp", inner, kind="TIMESTAMPTZ")
        case "json":
            return call("json_parse", inner, kind="JSON")
        case "decimal" if rw.target != "sqlite":
            if node.to.expressions and [part.name for part in node.to.expressions][1:] not in ([], ["0"]):
                made = call("to_decimal", inner, kind="DECIMAL")
                return call("round_decimal", made, int(node.to.expressions[1].name), kind="DECIMAL")
            return call("to_decimal", inner, kind="DECIMAL")
        case "decimal":
            raise rw.refuse(node, "an exact decimal on SQLite", "SQLite has none: cast to FLOAT64 or double precision")
    raise rw.refuse(node, f"a cast to {kind}")


@rule(exp.ToNumber)
def _to_number(rw: Rewriting, node: Node) -> Node:
    if node.args.get("format") is not None or str(node.args.get("scale") or "0") != "0":
        raise rw.refuse(node)
    return _try_int(rw, node.this) if node.args.get("safe") else call("to_int", node.this, kind="BIGINT")


def _try_int(rw: Rewriting, value: Any) -> Node:
    """The whole number that a text is; Snowflake rounds one with a fraction."""
    if rw.query.dialect != "snowflake" or rw.kind(value) == "int":
        return call("try_int", value, kind="BIGINT")
    number = call("try_float", value.copy(), kind="DOUBLE")
    fits = exp.LT(this=exp.Abs(this=number), expression=exp.Literal.number("1e18"))
    return exp.Case(ifs=[exp.If(this=fits, true=call("to_int", value.copy(), kind="BIGINT"))])
