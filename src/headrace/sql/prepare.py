"""A tree made ready: one form for what dialects write in several, and nothing that is refused for its shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from headrace.sql.nodes import placed
from headrace.sql.shapes import refuse_shapes
from headrace.sql.unnesting import unnest

if TYPE_CHECKING:
    from headrace.sql.portable import Rewriting


def prepare(rw: Rewriting, tree: exp.Query) -> exp.Query:
    """Unnested arrays become tables, JSON operators one form; names are in lower case. Raises SqlProblem."""
    for name in tree.find_all(exp.Identifier):
        name.set("this", name.name.lower())
    for raw in list(tree.find_all(exp.RawString)):
        raw.replace(placed(exp.Literal.string(raw.name), raw))
    for operator in list(tree.find_all(exp.Lambda)):  # `a -> 'b'` among the arguments of an unknown function
        names = operator.expressions
        if len(names) == 1 and isinstance(names[0], exp.Identifier):
            operator.replace(exp.JSONExtract(this=exp.column(names[0].copy()), expression=operator.this.copy()))
    for bracket in list(tree.find_all(exp.Bracket)):
        _member(rw, bracket)
    for join in list(tree.find_all(exp.Join)):
        unnest(rw, join)
    for clause in tree.find_all(exp.From):
        if isinstance(clause.this, exp.Unnest | exp.Lateral):
            raise rw.refuse(clause.this)
    refuse_shapes(rw, tree)
    return tree


def _member(rw: Rewriting, bracket: exp.Bracket) -> None:
    """``payload['who']`` of a VARIANT."""
    keys = bracket.expressions
    if rw.query.dialect != "snowflake" or len(keys) != 1 or not isinstance(keys[0], exp.Literal):
        return
    key: exp.Expr = exp.JSONPathKey(this=keys[0].name)
    if not keys[0].is_string:
        key = exp.JSONPathSubscript(this=int(keys[0].name))
    path = exp.JSONPath(expressions=[exp.JSONPathRoot(), key])
    bracket.replace(placed(exp.JSONExtract(this=bracket.this, expression=path, variant_extract=True), bracket))
