"""Columns, sets, orders and windows."""

from __future__ import annotations

from sqlglot import exp

from headrace.sql.comparing import check_place, no_decimal, no_json
from headrace.sql.nodes import Node
from headrace.sql.paths import json_path
from headrace.sql.portable import Rewriting
from headrace.sql.registry import rule
from headrace.sql.rules.aggregates import whole
from headrace.sql.targets import call


@rule(exp.NullSafeEQ, exp.NullSafeNEQ)
def _distinct_from(rw: Rewriting, node: Node) -> Node:
    no_json(rw, node, node.this, node.expression)
    no_decimal(rw, node, node.this, node.expression)
    name = "not_distinct_from" if isinstance(node, exp.NullSafeEQ) else "distinct_from"
    return call(name, node.this, node.expression, kind="BOOLEAN")


@rule(exp.Except, exp.Intersect)
def _all(rw: Rewriting, node: Node) -> Node:
    if not node.args.get("distinct"):
        raise rw.refuse(node, f"{type(node).__name__.upper()} ALL", "SQLite has only the form without doubles")
    return node


@rule(exp.Ordered)
def _order(rw: Rewriting, node: Node) -> Node:
    no_json(rw, node, node.this)
    no_decimal(rw, node, node.this)
    if rw.target == "postgresql" and rw.kind(node.this) == "text":
        value = node.this
        if isinstance(value, exp.Column) and not value.table:  # a name of the result: in an expression there is none
            select = node.find_ancestor(exp.Query)
            named = [item.this for item in getattr(select, "expressions", ()) if item.alias == value.name]
            if not isinstance(select, exp.Select) or not named:
                return node
            value = named[0].copy()
        node.set("this", exp.Collate(this=value, expression=exp.to_identifier("C", quoted=True)))
    return node


@rule(exp.Column)
def _column(rw: Rewriting, node: Node) -> Node:
    if node.table not in rw.items or node.name != "value":
        return node
    scalar = node.table in rw.scalars
    kind = "TEXT" if scalar else "JSON"
    if rw.target == "sqlite":  # its own column has lost what is JSON
        parts = [exp.column(name, table=node.table) for name in ("json", "fullkey")]
        return call("json_any_text" if scalar else "json_part", *parts, kind=kind)
    if not scalar:
        return node
    return call("json_any_text", node.copy(), json_path(rw, node), kind=kind)


@rule(exp.Min, exp.Max)
def _extreme(rw: Rewriting, node: Node) -> Node:
    if node.expressions:
        raise rw.refuse(node, f"{type(node).__name__.upper()} of several values")
    no_json(rw, node, node.this)
    no_decimal(rw, node, node.this)
    if rw.target == "postgresql" and rw.kind(node.this) == "text":
        node.set("this", exp.Collate(this=node.this, expression=exp.to_identifier("C", quoted=True)))
    if rw.target == "postgresql" and rw.kind(node.this) == "bool":
        raise rw.refuse(node, "MIN or MAX of booleans", "PostgreSQL has none: write BOOL_OR or LOGICAL_OR")
    return node


@rule(exp.Window)
def _window(rw: Rewriting, node: Node) -> Node:
    check_place(rw, node)
    no_json(rw, node, *(node.args.get("partition_by") or ()))
    spec = node.args.get("spec")
    if (
        spec is not None
        and str(spec.args.get("kind") or "ROWS").upper() != "ROWS"
        and spec.args.get("start") not in ("UNBOUNDED", "CURRENT ROW")
    ):
        raise rw.refuse(node, "a window of RANGE or GROUPS between values")
    return whole(rw, node)
