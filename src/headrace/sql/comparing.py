"""Comparing, ordering, grouping and counting: where databases differ in what is equal, less, or a number."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from headrace.sql.portable import Rewriting
from headrace.sql.registry import rule
from headrace.sql.targets import call

Node = Any
"""A node of the library's, whose copies and parts have no types."""
Rw = Rewriting
COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.In)
_ORDERING = (exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between)
_NUMBERS = ("int", "float", "decimal")
_MOST = (1 << 63) - 1
_PLACED = (exp.RowNumber, exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue, exp.Ntile)
"""Window functions that say nothing without an order."""


def sides_of(node: Any) -> list[Node]:
    """What a comparison compares, and the values that a COALESCE, CASE or the like may give."""
    if isinstance(node, exp.Case):
        return [*(branch.args["true"] for branch in node.args["ifs"]), *_given(node.args.get("default"))]
    if isinstance(node, exp.If):
        return [node.args["true"], *_given(node.args.get("false"))]
    found = [node.this, *_given(node.args.get("expression"))]
    found += [node.args[key] for key in ("low", "high") if node.args.get(key) is not None]
    return [*found, *(node.args.get("expressions") or [])]


def _given(node: Any) -> list[Node]:
    return [] if node is None else [node]


def no_decimal(rw: Rw, node: Any, *values: Any) -> None:
    """Raises SqlProblem for exact decimals where SQLite, which has none, would compute with them."""
    if rw.target == "sqlite" and any(rw.kind(value) == "decimal" for value in values):
        raise rw.refuse(node, "an exact decimal on SQLite", "SQLite has none: cast to FLOAT64 or double precision")


def no_json(rw: Rw, node: Any, *values: Any) -> None:
    """Raises SqlProblem for JSON that is compared, ordered or grouped by."""
    if any(rw.kind(value) == "json" for value in values):
        raise rw.refuse(node, "JSON compared, ordered or grouped by", "take a value out of it, as text")


def collated(rw: Rw, node: Any) -> Node:
    """``node`` as PostgreSQL orders it by its characters, whatever the collation of the database is."""
    if rw.target != "postgresql" or rw.kind(node) != "text":
        return node
    return exp.Collate(this=node, expression=exp.to_identifier("C", quoted=True))


def _literal(node: Any) -> bool:
    return isinstance(node.this if isinstance(node, exp.Neg) else node, exp.Literal)


@rule(*COMPARISONS)
def compare(rw: Rw, node: Any) -> Node:
    sides = sides_of(node)
    no_json(rw, node, *sides)
    kinds = {rw.kind(side) for side in sides}
    if "text" in kinds and kinds & set(_NUMBERS):
        raise rw.refuse(node, "a text compared with a number", "cast one of them")
    no_decimal(rw, node, *(side for side in sides if not (_literal(side) and kinds & {"int", "float"})))
    if rw.target == "postgresql" and isinstance(node, _ORDERING) and kinds == {"text"}:
        node.this.replace(exp.Collate(this=node.this.copy(), expression=exp.to_identifier("C", quoted=True)))
    return node


@rule(exp.Coalesce, exp.Case, exp.If, exp.Nullif)
def choose(rw: Rw, node: Any) -> Node:
    kinds = {rw.kind(side) for side in sides_of(node) if not isinstance(side, exp.Null)}
    if "json" in kinds and len(kinds) > 1:
        raise rw.refuse(node, "JSON or something else", "take the value out of it as text, or parse the other")
    if "text" in kinds and kinds & {*_NUMBERS, "bool"}:
        raise rw.refuse(node, "a text or a number", "cast one of them")
    if isinstance(node, exp.Nullif):
        return compare(rw, node)
    return node


@rule(exp.Mul)
def multiply(rw: Rw, node: Any) -> Node:
    return arithmetic(rw, node)


def arithmetic(rw: Rw, node: Any) -> Node:
    """A sum, difference or product of numbers, with its type."""
    kinds = {rw.kind(node.this), rw.kind(node.expression)}
    if "text" in kinds:
        raise rw.refuse(node, "a text in arithmetic", "cast it to a number")
    if "decimal" in kinds and "float" not in kinds:
        no_decimal(rw, node, node.this, node.expression)
        node.type = exp.DataType.build("DECIMAL")
    if rw.target == "sqlite" and kinds == {"int"}:
        return call("exact", node.copy(), kind="BIGINT")
    return node


@rule(exp.Literal)
def number(rw: Rw, node: Any) -> Node:
    if node.is_string:
        return node
    if node.is_int:
        if int(node.name) > _MOST:
            raise rw.refuse(node, "a whole number of more than 64 bits")
        return node
    if rw.query.dialect == "bigquery" and rw.target != "sqlite":  # there it is a float, and elsewhere a decimal
        return call("to_float", node.copy(), kind="DOUBLE")
    if rw.query.dialect != "bigquery" and isinstance(node.parent, exp.Select | exp.Alias):
        no_decimal(rw, node, node)
    return node


@rule(exp.Group)
def group(rw: Rw, node: Any) -> Node:
    no_json(rw, node, *node.expressions)
    return node


@rule(exp.Distinct)
def distinct(rw: Rw, node: Any) -> Node:
    values = node.expressions or [item.unalias() for item in getattr(node.parent, "selects", ())]
    no_json(rw, node, *values)
    return node


@rule(exp.Union)
def union(rw: Rw, node: Any) -> Node:
    if node.args.get("distinct"):
        no_json(rw, node, *(item.unalias() for item in node.selects))
    return node


def check_place(rw: Rw, node: Any) -> None:
    """Raises SqlProblem for a window function whose rows have no order."""
    if isinstance(node.this, _PLACED) and node.args.get("order") is None:
        raise rw.refuse(node.this, f"{node.this.sql_name()} without ORDER BY", "which row comes first would be chance")
