"""Arithmetic and rounding."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from headrace.sql.comparing import collated, no_decimal, no_json
from headrace.sql.nodes import Node
from headrace.sql.portable import Rewriting
from headrace.sql.registry import rule
from headrace.sql.targets import call


@rule(exp.Div)
def _divide(rw: Rewriting, node: Node) -> Node:
    left, right = rw.kind(node.this), rw.kind(node.expression)
    if rw.query.dialect == "bigquery" or "float" in (left, right):
        return call("divide", node.this, node.expression, kind="DOUBLE")
    if rw.query.dialect == "snowflake":
        raise rw.refuse(node, "division of exact numbers", "Snowflake keeps six digits: cast one side to FLOAT")
    if left == right == "int":
        return call("divide_int", node.this, node.expression, kind="BIGINT")
    raise rw.refuse(
        node, "division of exact numbers, or of those whose types are not known", "cast one side to double precision"
    )


@rule(exp.IntDiv)
def _divide_int(rw: Rewriting, node: Node) -> Node:
    return call("divide_int", *_whole(rw, node), kind="BIGINT")


@rule(exp.Mod)
def _modulo(rw: Rewriting, node: Node) -> Node:
    return call("modulo", *_whole(rw, node), kind="BIGINT")


def _whole(rw: Rewriting, node: Node) -> tuple[Node, Node]:
    """Both numbers. Raises SqlProblem where one is known to be no whole number: its fraction would be lost."""
    for side in (node.this, node.expression):
        if rw.kind(side) in ("float", "decimal"):
            raise rw.refuse(node, "DIV or MOD of numbers with fractions", "cast them to whole numbers")
    return node.this, node.expression


@rule(exp.SafeDivide)
def _safe_divide(rw: Rewriting, node: Node) -> Node:
    return call("divide_or_null", node.this, node.expression, kind="DOUBLE")


@rule(exp.Round)
def _round(rw: Rewriting, node: Node) -> Node:
    places = node.args.get("decimals")
    if node.args.get("truncate") is not None or (places is not None and not isinstance(places, exp.Literal)):
        raise rw.refuse(node, "ROUND with more than a number of digits")
    no_decimal(rw, node, node.this)
    if rw.query.dialect == "postgresql" and rw.kind(node.this) != "decimal":
        if rw.kind(node.this) != "float":
            raise rw.refuse(node, "ROUND of a value that is not known to be a float or decimal", "cast it")
        return call("round_even", node.this, kind="DOUBLE")
    return call("round", node.this, places if places is not None else 0, kind="DOUBLE")


@rule(exp.Floor, exp.Ceil)
def _floor(rw: Rewriting, node: Node) -> Node:
    if node.args.get("decimals") is not None or node.args.get("to") is not None:
        raise rw.refuse(node)
    return call("floor" if isinstance(node, exp.Floor) else "ceil", node.this, kind="DOUBLE")


@rule(exp.Greatest, exp.Least)
def _greatest(rw: Rewriting, node: Node) -> Node:
    args = [node.this, *node.expressions]
    no_json(rw, node, *args)
    no_decimal(rw, node, *args)
    name = "greatest" if isinstance(node, exp.Greatest) else "least"
    made = call(
        name,
        *(collated(rw, arg.copy()) for arg in args),
        kind=node.this.type.sql() if node.this.type is not None else "",
    )
    if rw.query.dialect == "postgresql":
        return made
    absent: Any = args[0].copy().is_(exp.null())
    for arg in args[1:]:
        absent = exp.or_(absent, arg.copy().is_(exp.null()))
    return exp.Case(ifs=[exp.If(this=absent, true=exp.null())], default=made)
