"""JSON: what is taken out of a document, and documents made of values."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from headrace.sql.nodes import Node
from headrace.sql.paths import json_path
from headrace.sql.portable import Rewriting
from headrace.sql.registry import function, rule
from headrace.sql.targets import call


@rule(exp.JSONExtractScalar)
def _json_scalar(rw: Rewriting, node: Node) -> Node:
    scalar = rw.query.dialect != "postgresql"
    path = json_path(rw, node, node.expression)
    return call("json_text" if scalar else "json_any_text", node.this, path, kind="TEXT")


@rule(exp.JSONBExtractScalar)
def _jsonb_scalar(rw: Rewriting, node: Node) -> Node:
    return call("json_any_text", node.this, json_path(rw, node, node.expression), kind="TEXT")


@rule(exp.JSONExtract, exp.JSONBExtract)
def _json_part(rw: Rewriting, node: Node) -> Node:
    parent = node.parent
    if node.args.get("variant_extract") and not isinstance(
        parent, exp.Cast | exp.TryCast | exp.Alias | exp.Select | exp.JSONExtract | exp.ParseJSON | exp.ArraySize
    ):
        raise rw.refuse(node, "a VARIANT compared or given on without a type", "write payload:id::string")
    return call("json_part", node.this, json_path(rw, node, node.expression), kind="JSON")


@rule(exp.ParseJSON)
def _json_parse(rw: Rewriting, node: Node) -> Node:
    return call("json_parse", node.this, kind="JSON")


@rule(exp.JSONExtractArray)
def _json_array(rw: Rewriting, node: Node) -> Node:
    return call("json_part", node.this, json_path(rw, node, node.args.get("expression")), kind="JSON")


@rule(exp.ArraySize)
def _json_length(rw: Rewriting, node: Node) -> Node:
    array = call("array_or_null", node.this, kind="JSON")
    return call("json_length", array, json_path(rw, node), kind="BIGINT")


@function("jsonb_array_length", "json_array_length")
def _jsonb_length(rw: Rewriting, node: Node) -> Node:
    array = call("array_or_fail", node.expressions[0], kind="JSON")
    return call("json_length", array, json_path(rw, node), kind="BIGINT")


@function("jsonb_build_object", "json_build_object")
def _json_object(rw: Rewriting, node: Node) -> Node:
    return call("json_object", *_values(rw, node, node.expressions), kind="JSON")


@rule(exp.Struct)
def _struct(rw: Rewriting, node: Node) -> Node:
    pairs = node.expressions
    if rw.query.dialect != "snowflake" or not all(isinstance(pair, exp.PropertyEQ) for pair in pairs):
        raise rw.refuse(node)
    parts = [part for pair in pairs for part in (pair.this, pair.expression)]
    if any(rw.kind(pair.expression) == "json" for pair in pairs):
        raise rw.refuse(node, "an object made of JSON", "its nulls would be lost with those of the object itself")
    return call("json_object_without_nulls", *_values(rw, node, parts), kind="JSON")


def _values(rw: Rewriting, node: Node, parts: Any) -> list[Node]:
    """What an object is made of, as JSON has it. Raises SqlProblem for values that databases write differently."""
    found = []
    for part in parts:
        kind = rw.kind(part)
        if kind in ("timestamp", "decimal"):
            raise rw.refuse(node, f"a {kind} in JSON", "format it as a text, or cast it")
        made = {"bool": "json_bool", "float": "json_float", "json": "json_parse"}.get(kind)
        found.append(call(made, part.copy(), kind="JSON") if made and rw.target == "sqlite" else part)
    return found


@rule(exp.PropertyEQ)
def _pair(rw: Rewriting, node: Node) -> Node:
    return node
