"""JSON arrays that a query joins as tables: a name stands for each while types are found, then a lateral row source."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from headrace.sql.nodes import placed
from headrace.sql.targets import ITEMS, call

if TYPE_CHECKING:
    from headrace.sql.portable import Rewriting


def unnest(rw: Rewriting, join: exp.Join) -> None:
    """A name in the place of the array that ``join`` unnests, if it does. Raises SqlProblem for other than a cross join."""
    source = join.this
    found = _array_of(source)
    if found is None:
        return
    array, alias, column = found
    plain = join.side == "" and join.kind in ("", "CROSS") and join.args.get("on") is None
    if not plain or source.args.get("offset") or source.args.get("outer") or source.args.get("ordinality"):
        raise rw.refuse(source, "UNNEST other than a plain cross join")
    alias = alias or column or f"items_{len(rw.items) + 1}"
    rw.items[alias] = array
    if isinstance(array, exp.JSONValueArray) or _is_call(
        array, "jsonb_array_elements_text", "json_array_elements_text"
    ):
        rw.scalars.add(alias)
    made = exp.Join(this=exp.Table(this=exp.to_identifier(alias)), kind="CROSS")
    select = join.find_ancestor(exp.Select)
    join.replace(made)
    for used in list(select.find_all(exp.Column)) if select is not None else ():
        own = used.name in (column, alias) and used.table in ("", alias)
        if own or (used.table == alias and used.name == "value"):
            used.replace(placed(exp.column("value", table=alias), used))


def place_items(rw: Rewriting, table: exp.Table, array: exp.Expr) -> None:
    """A lateral row source in the place of the name that stood for it."""
    document = _document(array)
    inner = exp.select(document)  # rewritten on its own: it stands outside the tree by now
    document = replace(rw, items={}, scalars=set()).rewrite(inner).expressions[0]
    guard = {"bigquery": "array_or_null", "snowflake": "array_unless_object"}.get(rw.query.dialect, "array_or_fail")
    source = exp.Anonymous(this=ITEMS, expressions=[call(guard, document.copy(), kind="JSON")])
    made: exp.Expr = exp.Table(this=source, alias=exp.TableAlias(this=exp.to_identifier(table.alias_or_name)))
    if rw.target != "sqlite":
        made = exp.Lateral(this=source, alias=exp.TableAlias(this=exp.to_identifier(table.alias_or_name)))
    table.replace(made)


def _document(array: exp.Expr) -> Any:
    """The JSON array that a function of arrays is given."""
    if isinstance(array, exp.JSONValueArray | exp.JSONExtractArray):
        path = array.args.get("expression")
        if path is None or (isinstance(path, exp.JSONPath) and len(path.expressions) < 2):
            return array.this.copy()
        return exp.JSONExtract(this=array.this.copy(), expression=path.copy())
    if isinstance(array, exp.Anonymous):
        return array.expressions[0].copy()
    return array.copy()


def _is_call(node: Any, *names: str) -> bool:
    return isinstance(node, exp.Anonymous) and str(node.this).lower() in names


def _array_of(source: exp.Expr) -> tuple[exp.Expr, str, str] | None:
    """(array, alias of the rows, alias of the value) of a row source that unnests JSON."""
    alias = source.args.get("alias")
    columns = [name.name for name in alias.columns] if alias is not None else []
    table = alias.name if alias is not None else ""
    if isinstance(source, exp.Unnest):
        given = source.expressions[0] if len(source.expressions) == 1 else None
        if isinstance(given, exp.JSONValueArray | exp.JSONExtractArray):
            return given, table, columns[0] if columns else ""
        return None
    if isinstance(source, exp.Lateral):
        inner = source.this
        if isinstance(inner, exp.Explode) and inner.expressions:
            return None
        while isinstance(inner, exp.Explode | exp.Kwarg):
            inner = inner.expression if isinstance(inner, exp.Kwarg) else inner.this
        flat = isinstance(source.this, exp.Explode)
        return (inner, table, "") if flat and isinstance(inner, exp.JSONExtract | exp.ParseJSON | exp.Column) else None
    names = ("jsonb_array_elements", "json_array_elements", "jsonb_array_elements_text", "json_array_elements_text")
    if isinstance(source, exp.Table) and _is_call(source.this, *names):
        return source.this, table, columns[0] if columns else ""
    return None
