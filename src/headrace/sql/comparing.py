"""Comparing, ordering, grouping and counting: where databases differ in what is equal, less, or a number."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from headrace.sql.nodes import Node, placed
from headrace.sql.read import UNKNOWN
from headrace.sql.registry import rule
from headrace.sql.targets import call

if TYPE_CHECKING:
    from headrace.sql.portable import Rewriting

COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.In)
_CHOICES = (exp.Coalesce, exp.Case, exp.If, exp.Nullif, exp.Greatest, exp.Least)
_ORDERING = (exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between)
_NUMBERS = ("int", "float", "decimal")
_TIME_TYPES = {"date": "DATE", "timestamp": "TIMESTAMPTZ"}
_MOST = (1 << 63) - 1
_PLACED = (exp.RowNumber, exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue, exp.Ntile)
"""Window functions that say nothing without an order."""


def sides_of(node: Node) -> list[Node]:
    """What a comparison compares, and the values that a COALESCE, CASE or the like may give."""
    if isinstance(node, exp.Case):
        return [*(branch.args["true"] for branch in node.args["ifs"]), *_given(node.args.get("default"))]
    if isinstance(node, exp.If):
        return [node.args["true"], *_given(node.args.get("false"))]
    found = [node.this, *_given(node.args.get("expression"))]
    found += [node.args[key] for key in ("low", "high") if node.args.get(key) is not None]
    return [*found, *(node.args.get("expressions") or [])]


def _given(node: Node) -> list[Node]:
    return [] if node is None else [node]


def coerce_literals(rw: Rewriting, tree: exp.Query) -> None:
    """Give each text that is compared with times or numbers their type: where times are texts, the form of it counts.
    Raises SqlProblem for a text that is no number."""
    compared = [(node, sides_of(node)) for node in tree.find_all(*COMPARISONS, *_CHOICES)]
    cases = (case for case in tree.find_all(exp.Case) if case.this is not None)
    compared += [(case, [case.this, *(branch.this for branch in case.args["ifs"])]) for case in cases]
    for node, sides in compared:
        kinds = {rw.kind(side) for side in sides if not isinstance(side, exp.Null)}
        texts = [side for side in sides if isinstance(side, exp.Literal) and side.is_string]
        time = "timestamp" if "timestamp" in kinds else "date" if "date" in kinds else ""
        if time:
            for text in texts:
                text.replace(placed(call(time, text.copy(), kind=_TIME_TYPES[time]), text))
        if kinds & set(_NUMBERS) and isinstance(node, COMPARISONS):
            for text in texts:
                if UNKNOWN not in text.meta:
                    _coerce_number(rw, node, text)
        if {"timestamp", "date"} <= kinds:
            for side in sides:
                if rw.kind(side) == "date":
                    side.replace(placed(call("timestamp", side.copy(), kind="TIMESTAMPTZ"), side))


def _coerce_number(rw: Rewriting, node: exp.Expr, text: exp.Literal) -> None:
    """Some databases never take a text and a number for equal."""
    if not re.fullmatch(r"[+-]?\d+(\.\d+)?", text.name, re.ASCII):
        raise rw.refuse(node, "a number compared with a text")
    number: exp.Expr = exp.Literal.number(text.name.lstrip("+-"))
    text.replace(placed(exp.Neg(this=number) if text.name.startswith("-") else number, text))


def no_decimal(rw: Rewriting, node: Node, *values: Any) -> None:
    """Raises SqlProblem for exact decimals where SQLite, which has none, would compute with them."""
    if rw.target == "sqlite" and any(rw.kind(value) == "decimal" for value in values):
        raise rw.refuse(node, "an exact decimal on SQLite", "SQLite has none: cast to FLOAT64 or double precision")


def no_json(rw: Rewriting, node: Node, *values: Any) -> None:
    """Raises SqlProblem for JSON that is compared, ordered or grouped by."""
    if any(rw.kind(value) == "json" for value in values):
        raise rw.refuse(node, "JSON compared, ordered or grouped by", "take a value out of it, as text")


def collated(rw: Rewriting, node: Node) -> Node:
    """``node`` as PostgreSQL orders it by its characters, whatever the collation of the database is."""
    if rw.target != "postgresql" or rw.kind(node) != "text":
        return node
    return exp.Collate(this=node, expression=exp.to_identifier("C", quoted=True))


def _literal(node: Node) -> bool:
    return isinstance(node.this if isinstance(node, exp.Neg) else node, exp.Literal)


@rule(*COMPARISONS)
def compare(rw: Rewriting, node: Node) -> Node:
    sides = sides_of(node)
    no_json(rw, node, *sides)
    kinds = {rw.kind(side) for side in sides if not isinstance(side, exp.Null)}
    if "text" in kinds and kinds & set(_NUMBERS):
        raise rw.refuse(node, "a text compared with a number", "cast one of them")
    no_decimal(rw, node, *(side for side in sides if not (_literal(side) and kinds & {"int", "float"})))
    if rw.target == "postgresql" and isinstance(node, _ORDERING) and kinds == {"text"}:
        node.this.replace(exp.Collate(this=node.this.copy(), expression=exp.to_identifier("C", quoted=True)))
    return node


@rule(exp.Coalesce, exp.Case, exp.If, exp.Nullif)
def choose(rw: Rewriting, node: Node) -> Node:
    kinds = {rw.kind(side) for side in sides_of(node) if not isinstance(side, exp.Null)}
    if "json" in kinds and len(kinds) > 1:
        raise rw.refuse(node, "JSON or something else", "take the value out of it as text, or parse the other")
    if "text" in kinds and kinds & {*_NUMBERS, "bool"}:
        raise rw.refuse(node, "a text or a number", "cast one of them")
    if isinstance(node, exp.Nullif):
        return compare(rw, node)
    return node


@rule(exp.Mul)
def multiply(rw: Rewriting, node: Node) -> Node:
    return arithmetic(rw, node)


def arithmetic(rw: Rewriting, node: Node) -> Node:
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
def number(rw: Rewriting, node: Node) -> Node:
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
def group(rw: Rewriting, node: Node) -> Node:
    no_json(rw, node, *node.expressions)
    return node


@rule(exp.Distinct)
def distinct(rw: Rewriting, node: Node) -> Node:
    values = node.expressions or [item.unalias() for item in getattr(node.parent, "selects", ())]
    no_json(rw, node, *values)
    return node


@rule(exp.Union)
def union(rw: Rewriting, node: Node) -> Node:
    if node.args.get("distinct"):
        no_json(rw, node, *(item.unalias() for item in node.selects))
    return node


def check_place(rw: Rewriting, node: Node) -> None:
    """Raises SqlProblem for a window function whose rows have no order."""
    if isinstance(node.this, _PLACED) and node.args.get("order") is None:
        raise rw.refuse(node.this, f"{node.this.sql_name()} without ORDER BY", "which row comes first would be chance")
