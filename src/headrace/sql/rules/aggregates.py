"""Aggregates, and what they make of an order."""

from __future__ import annotations

from sqlglot import exp

from headrace.sql.comparing import collated, no_decimal
from headrace.sql.nodes import Node
from headrace.sql.portable import Rewriting
from headrace.sql.registry import rule
from headrace.sql.targets import call


@rule(exp.Sum)
def _sum(rw: Rewriting, node: Node) -> Node:
    kind = rw.kind(node.this)
    if isinstance(node.this, exp.Distinct):
        raise rw.refuse(node, "SUM(DISTINCT)")
    no_decimal(rw, node, node.this)
    if kind in ("text", "json", "bool"):
        raise rw.refuse(node, f"SUM of a {kind}", "cast it to a number")
    if kind == "float":
        return call("sum_float", node.this, kind="DOUBLE")
    if kind != "int":
        return node
    around = isinstance(node.parent, exp.Window | exp.Filter)  # which goes inside the cast
    return call("sum_plain" if around else "sum_int", node.this, kind="BIGINT")


def whole(rw: Rewriting, node: Node) -> Node:
    """A sum of whole numbers is one, whatever the destination adds up in."""
    inner = node.this.this if isinstance(node.this, exp.Filter) else node.this
    if (
        isinstance(inner, exp.Anonymous)
        and inner.this == "headrace.sum_plain"
        and not isinstance(node.parent, exp.Window)
    ):
        return call("whole", node.copy(), kind="BIGINT")
    return node


@rule(exp.Filter)
def _filter(rw: Rewriting, node: Node) -> Node:
    return whole(rw, node)


@rule(exp.Avg)
def _avg(rw: Rewriting, node: Node) -> Node:
    if isinstance(node.this, exp.Distinct):
        raise rw.refuse(node, "AVG(DISTINCT)")
    if rw.query.dialect != "bigquery" and rw.kind(node.this) != "float":
        raise rw.refuse(
            node, "AVG of exact numbers", "how many digits it has differs: cast to FLOAT or double precision"
        )
    return call("avg", node.this, kind="DOUBLE")


@rule(exp.CountIf)
def _count_if(rw: Rewriting, node: Node) -> Node:
    return call("count_if", node.this, kind="BIGINT")


@rule(exp.LogicalOr, exp.LogicalAnd)
def _any_true(rw: Rewriting, node: Node) -> Node:
    return call("any_true" if isinstance(node, exp.LogicalOr) else "all_true", node.this, kind="BOOLEAN")


@rule(exp.WithinGroup)
def _within(rw: Rewriting, node: Node) -> Node:
    raise rw.refuse(node, "WITHIN GROUP")


def _ordered(rw: Rewriting, node: Node) -> tuple[Node, Node | None, str]:
    """(value, what it is ordered by, the direction as functions are called) of an aggregate."""
    inner = node.this
    if not isinstance(inner, exp.Order):
        if isinstance(inner, exp.Distinct):
            raise rw.refuse(node, "DISTINCT inside an ordered aggregate")
        return inner, None, ""
    if len(inner.expressions) != 1 or isinstance(inner.this, exp.Distinct):
        raise rw.refuse(node, "an aggregate ordered by several keys")
    key = inner.expressions[0]
    nulls = "_nulls_first" if key.args.get("nulls_first") else ""  # where the dialect has them, unless it is said
    return inner.this, key.this, ("desc" if key.args.get("desc") else "asc") + nulls


@rule(exp.GroupConcat)
def _join(rw: Rewriting, node: Node) -> Node:
    value, key, way = _ordered(rw, node)
    if key is None:
        raise rw.refuse(node, "joined texts without ORDER BY", "the order of the rows would be chance")
    glue = node.args.get("separator") or exp.Literal.string("," if rw.query.dialect == "bigquery" else "")
    return call(f"join_texts_{way}", value, glue, key, kind="TEXT")


@rule(exp.ArrayAgg)
def _array(rw: Rewriting, node: Node) -> Node:
    value, key, way = _ordered(rw, node)
    if key is None:
        raise rw.refuse(node, "an array without ORDER BY", "the order of the rows would be chance")
    if rw.kind(value) not in ("int", "text", "float"):
        raise rw.refuse(node, "an array of values that are neither numbers nor texts", "cast them")
    tie = collated(rw, value.copy())
    return call(f"array_{way}", value, key, tie, kind="JSON")
