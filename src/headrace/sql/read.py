"""A text of SQL as a tree: one SELECT, whose ``{variables}`` are nodes of their own before any value is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from sqlglot import exp, tokenize
from sqlglot.errors import ParseError, TokenError
from sqlglot.parser import Parser
from sqlglot.tokenizer_core import Token, TokenType

from headrace.core.templates import as_text
from headrace.sql.holes import HOLE, NAME, OWN
from headrace.sql.library import DIALECTS
from headrace.sql.problem import Place, SqlProblem

_WRITES = (exp.DML, exp.DDL, exp.Drop, exp.Alter, exp.Command, exp.Into, exp.Lock)
MARK = "headrace variable"
"""The key under which a node that stands for a variable keeps its name."""


@dataclass(frozen=True)
class Query:
    """One SELECT as its author wrote it. ``tree`` belongs to the reader: copy it before changing it."""

    text: str
    dialect: str
    tree: exp.Query

    def place(self, node: exp.Expr) -> Place:
        """Where ``node``, or the first part of it that knows, stands."""
        starts = [part.meta["start"] for part in node.walk() if "start" in part.meta]
        own = node.meta.get("start")
        return Place.of(self.text, own if own is not None else min(starts, default=0))

    def tables(self, values: Mapping[str, Any] | None = None) -> dict[str, Place]:
        """The tables that are read, as ``table`` or ``schema.table``, with their first places; without those that
        the query makes itself. ``values`` fill in the variables of their names, which stay as they are otherwise."""
        found: dict[str, Place] = {}
        for table in self.tree.find_all(exp.Table):
            name = table_name(table)
            if name and not _made_inside(table):
                found.setdefault(name if values is None else _filled(name, values), self.place(table.this))
        return found

    def names_vary(self) -> bool:
        """Whether a variable stands in a name: which tables and columns are meant only a run can tell."""
        found = (name for node in self.tree.find_all(exp.Identifier) for name in HOLE.findall(node.name))
        return any(name not in OWN for name in found)


def table_name(table: exp.Table) -> str:
    """``table`` or ``schema.table``, ``""`` for what is no name; ``{project}`` and ``{dataset}`` say nothing."""
    if not isinstance(table.this, exp.Identifier):
        return ""
    parts = [part.name for part in table.parts if part.name not in ("{project}", "{dataset}")]
    return ".".join(parts)


def _made_inside(table: exp.Table) -> bool:
    if table.args.get("db") is not None:
        return False
    above: exp.Expr | None = table.parent
    while above is not None:
        with_ = above.args.get("with_")
        if with_ is not None and any(cte.alias.lower() == table.name.lower() for cte in with_.expressions):
            return True
        above = above.parent
    return False


def read(text: str, dialect: str) -> Query:
    """Raises SqlProblem for a text that is not one SELECT, and for variables where none can stand."""
    name = DIALECTS[dialect]
    try:
        tokens = tokenize(text, dialect=name)
    except TokenError as error:
        raise SqlProblem("a text, name or comment has no end", _unfinished(text)) from error
    _check_tokens(text, tokens)
    try:
        trees = [tree for tree in _parser(name).parse(tokens, text) if tree is not None]
    except ParseError as error:
        first: Mapping[str, Any] = error.errors[0] if error.errors else {}
        near = str(first.get("highlight") or "").strip()
        at = text.find(near, _offset(text, first)) if near else len(text.rstrip()) - 1
        message = str(first.get("description") or "cannot be read").rstrip(".")
        shown = f"{message}, near {near!r}" if near else message
        raise SqlProblem(f"syntax error ({dialect}): {shown}", Place.of(text, at)) from error
    except (RecursionError, ValueError, TypeError, AttributeError, KeyError, IndexError) as error:
        raise SqlProblem(f"this cannot be read as {dialect}: {error}", Place()) from error
    if len(trees) != 1:
        which = "nothing" if not trees else "several statements"
        raise SqlProblem(f"a SQL step is one SELECT, and this is {which}", Place())
    tree = trees[0]
    writing = next(iter(tree.find_all(*_WRITES)), None)
    if not isinstance(tree, exp.Query) or writing is not None:
        what = (writing if writing is not None else tree).key.upper()
        raise SqlProblem(
            f"a SQL step is one SELECT, and this is {what}: the step itself writes its table",
            Query(text, dialect, exp.select()).place(writing if writing is not None else tree),
        )
    while tokens[-1].token_type == TokenType.SEMICOLON:
        text = text[: tokens.pop().start]
    query = Query(text, dialect, tree)
    _mark(query)
    return query


def _parser(name: str) -> Parser:
    from sqlglot.dialects.dialect import Dialect

    return Dialect.get_or_raise(name).parser()


def _check_tokens(text: str, tokens: list[Token]) -> None:
    """What the parser would take, and a database would not; and variables that stand bare."""
    for before, token in pairwise(tokens):
        if before.token_type == token.token_type == TokenType.COMMA:
            raise SqlProblem("syntax error: nothing between two commas", Place.of(text, token.start))
    for first, name, last in zip(tokens, tokens[1:], tokens[2:], strict=False):
        braces = (first.token_type, last.token_type) == (TokenType.L_BRACE, TokenType.R_BRACE)
        if braces and HOLE.fullmatch(text[first.start : last.end + 1]):
            raise SqlProblem(
                f"{{{name.text}}} can only stand inside quotes: write '{{{name.text}}}' for a value (its type is kept), "
                "or put a name in the dialect's quotes for identifiers",
                Place.of(text, first.start),
            )


def _mark(query: Query) -> None:
    """Give every text and name with a variable in it a node that a value cannot change the shape of."""
    for literal in list(query.tree.find_all(exp.Literal, exp.RawString, exp.National)):
        if HOLE.search(literal.name) or "{{" in literal.name:
            _mark_literal(literal)
    for node in query.tree.walk():
        for key, value in node.args.items():
            inside = isinstance(node, exp.Identifier | exp.Parameter) or MARK in node.meta
            if isinstance(value, str) and not inside and (found := HOLE.search(value)):
                raise SqlProblem(
                    f"{found[0]} cannot stand here: a variable is a value or a name, not a part of "
                    f"{type(node).__name__} ({key})",
                    query.place(node),
                )


def _mark_literal(literal: exp.Expr) -> None:
    marked = exp.Parameter(this=exp.Var(this="variable"))
    marked.meta.update(literal.meta)
    marked.meta[MARK] = literal.name
    literal.replace(marked)


def fill(tree: exp.Query, values: Mapping[str, Any]) -> exp.Query:
    """``tree`` with a typed literal for each variable; nothing of a value is ever read as SQL. ``values`` has every
    variable that the text uses."""
    tree = tree.copy()
    for node in list(tree.find_all(exp.Parameter)):
        if MARK in node.meta:
            _fill_value(node, values)
    for name in list(tree.find_all(exp.Identifier)):
        if HOLE.search(name.name):
            name.set("this", _filled(name.name, values))
            name.set("quoted", True)
    return tree


def _filled(name: str, values: Mapping[str, Any]) -> str:
    return HOLE.sub(lambda found: as_text(values[found[1]]), name)


def _fill_value(node: exp.Expr, values: Mapping[str, Any]) -> None:
    text = node.meta[MARK]
    whole = HOLE.fullmatch(text)
    value = values[whole[1]] if whole else _joined(text, values)
    if isinstance(value, list | tuple) and isinstance(node.parent, exp.In) and node.arg_key == "expressions":
        items = [literal(item) for item in value]
        others = [item for one in node.parent.expressions for item in (items if one is node else [one])]
        if others:
            node.parent.set("expressions", others)
        else:  # nothing is in an empty list, and everything is not: NULL would be neither
            node.parent.replace(exp.false())
        return
    made = literal(value)
    made.meta.update({key: item for key, item in node.meta.items() if key != MARK})
    node.replace(made)


def _joined(text: str, values: Mapping[str, Any]) -> str:
    from headrace.core.templates import render

    return str(render(text, values.__getitem__))


class Unknown(str):
    """Stands for a value that only a run has: nobody knows what it is of."""

    __slots__ = ()


UNKNOWN = "headrace unknown"
"""The key under which the literal of such a value says so."""


def literal(value: Any) -> exp.Expr:
    """A value as a literal of its own type; what has no type in SQL as its text."""
    if value is None:
        return exp.null()
    if isinstance(value, bool):
        return exp.Boolean(this=value)
    if isinstance(value, int | float):
        number: exp.Expr = exp.Literal.number(abs(value))
        return exp.Neg(this=number) if value < 0 else number
    made = exp.Literal.string(as_text(value))
    if isinstance(value, Unknown):
        made.meta[UNKNOWN] = True
    return made


def variables(query: Query) -> Iterator[str]:
    """Every variable of the query, ``project`` and ``dataset`` among them."""
    for node in query.tree.walk():
        text = node.meta.get(MARK, "") if isinstance(node, exp.Parameter) else ""
        if isinstance(node, exp.Identifier):
            text = node.name
        yield from (found[1] for found in HOLE.finditer(text.replace("{{", "")))


def _unfinished(text: str) -> Place:
    """Where the quote stands that nothing closes: the last one."""
    return Place.of(text, max(text.rfind(mark) for mark in ("'", '"', "`", "/*")))


def _offset(text: str, first: Mapping[str, Any]) -> int:
    line = max(int(first.get("line") or 1) - 1, 0)
    at = 0
    for _ in range(line):
        at = text.find("\n", at) + 1
    column = int(first.get("col") or 0) - len(str(first.get("highlight") or ""))
    return max(at + column - 1, 0)


__all__ = ["MARK", "NAME", "OWN", "UNKNOWN", "Query", "Unknown", "fill", "literal", "read", "table_name", "variables"]
