"""The way of a text of SQL to a destination, in one place: read, check, fill in, rewrite, write."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp
from sqlglot.errors import OptimizeError, SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify_columns import qualify_columns, validate_qualify_columns
from sqlglot.optimizer.qualify_tables import qualify_tables
from sqlglot.schema import MappingSchema
from sqlglot.transforms import eliminate_distinct_on, eliminate_qualify

import headrace.sql.rules  # noqa: F401 - registers what is carried over
from headrace.core.suggest import did_you_mean
from headrace.core.types import ColumnType
from headrace.sql.library import DIALECTS
from headrace.sql.portable import Rewriting
from headrace.sql.prepare import prepare
from headrace.sql.problem import SqlProblem
from headrace.sql.read import Query, Unknown, fill, literal, read, table_name, variables
from headrace.sql.targets import write

Columns = Mapping[str, Mapping[str, ColumnType | None] | None]
"""The columns of each table that a query may read; ``None`` for a table whose columns are not known."""
_SQL_TYPES: Mapping[ColumnType, str] = {
    "bool": "BOOLEAN", "int": "BIGINT", "bigint": "BIGINT", "decimal": "DECIMAL(38, 9)", "float": "DOUBLE",
    "string": "TEXT", "json": "JSON", "timestamp": "TIMESTAMPTZ", "date": "DATE", "binary": "BINARY",
}  # fmt: skip


@dataclass(frozen=True)
class Statement:
    """One SELECT in the SQL of a destination, every value in it. ``columns`` are its result's names in order, as far
    as the text tells (empty for an unknown ``*``), ``types`` what is known of them."""

    sql: str
    columns: tuple[str, ...] = ()
    types: Mapping[str, ColumnType] = field(default_factory=dict)


def translate(
    query: Query,
    target: str,
    values: Mapping[str, Any] | None = None,
    *,
    columns: Columns | None = None,
    fold: Callable[[str], str] = str,
) -> Statement:
    """``query`` for ``target`` (``duckdb``, ``postgresql``, ``sqlite``).

    ``values`` has every variable that the query uses (:func:`needs`); without it the query is only checked, with a
    text in the place of each. ``columns`` says what the tables have; where it does, unknown columns are found and
    what depends on types is decided. SQL in the destination's own dialect is not rewritten. Raises SqlProblem.
    """
    given = dict.fromkeys(needs(query), Unknown("2000-01-01")) if values is None else values
    if values is None and query.names_vary():
        columns = None
    known = {**dict.fromkeys(("project", "dataset"), "main"), **given}
    tree = fill(_own_tables(query.tree.copy()), known)
    native = DIALECTS[query.dialect] == {"postgresql": "postgres"}.get(target, target)
    if native:
        return Statement(_written(query, tree, target) if needs(query) else query.text, _names(tree))
    names = [fold(name) for name in tree.named_selects]
    rewriting = Rewriting(query, target)
    tree = prepare(rewriting, tree)
    tree = _typed(query, tree, rewriting, columns)
    tree = rewriting.rewrite(tree)
    tree = _without(tree, target)
    _name(tree, names, columns)
    return Statement(_written(query, tree, target), _names(tree), dict(_kinds(rewriting, tree)))


def check_names(query: Query) -> None:
    """A table needs a name for each of its columns, the same everywhere. Raises SqlProblem."""
    seen: set[str] = set()
    for item in query.tree.selects:
        name = item.output_name.casefold()
        if isinstance(item, exp.Star) or (isinstance(item, exp.Column) and isinstance(item.this, exp.Star)):
            continue
        if not name:
            raise SqlProblem("this column of the result has no name: write … AS name", query.place(item))
        if name in seen:
            raise SqlProblem(f"two columns of the result are called {item.output_name!r}", query.place(item))
        seen.add(name)


def _written(query: Query, tree: exp.Query, target: str) -> str:
    try:
        return write(tree, target)
    except SqlglotError as error:
        raise SqlProblem(f"this cannot be written as {target}: {error}", query.place(tree)) from error


def _names(tree: exp.Query) -> tuple[str, ...]:
    names = tuple(tree.named_selects)
    return () if "*" in names or "" in names else names


_COLUMN_TYPES: Mapping[str, ColumnType] = {
    "int": "bigint", "float": "float", "decimal": "decimal", "text": "string", "bool": "bool", "date": "date",
    "timestamp": "timestamp", "json": "json",
}  # fmt: skip


def _kinds(rewriting: Rewriting, tree: exp.Query) -> Iterator[tuple[str, ColumnType]]:
    """The columns of the result whose types are known."""
    for item in tree.selects:
        kind = _COLUMN_TYPES.get(rewriting.kind(item.unalias()))
        if kind is not None and item.alias_or_name:
            yield item.alias_or_name, kind


def needs(query: Query) -> list[str]:
    """The variables of a query, in order."""
    return list(dict.fromkeys(variables(query)))


def _without(tree: exp.Query, target: str) -> exp.Query:
    """QUALIFY and DISTINCT ON written out where the target has none."""
    for select in list(tree.find_all(exp.Select)):
        on = getattr(select.args.get("distinct"), "args", {}).get("on") is not None and target == "sqlite"
        if on or (select.args.get("qualify") is not None and target != "duckdb"):
            made: Any = (eliminate_distinct_on if on else eliminate_qualify)(select.copy())
            if select is tree:
                tree = made
            else:
                select.replace(made)
    return tree


def _own_tables(tree: exp.Query) -> exp.Query:
    """``{project}`` and ``{dataset}`` are where every table of the destination is."""
    for table in tree.find_all(exp.Table):
        for part in ("catalog", "db"):
            found = table.args.get(part)
            if isinstance(found, exp.Identifier) and found.name in ("{project}", "{dataset}"):
                table.set(part, None)
    return tree


def _typed(query: Query, tree: exp.Query, rewriting: Rewriting, columns: Columns | None) -> exp.Query:
    """Names resolved and types found, as far as the columns are known."""
    folded = {name.lower(): have for name, have in (columns or {}).items()}
    tables = {t for table in tree.find_all(exp.Table) if (t := table_name(table)) and table.parent is not None}
    ctes = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    read = {name: folded.get(name) for name in tables if name not in ctes and name not in rewriting.items}
    whole = columns is not None and all(have for have in read.values())
    mapping: dict[str, dict[str, str]] = {
        name: {column.lower(): _SQL_TYPES.get(type, "UNKNOWN") if type else "UNKNOWN" for column, type in have.items()}
        for name, have in read.items()
        if have and "." not in name
    }
    for alias in rewriting.items:
        mapping[alias] = {"value": "TEXT" if alias in rewriting.scalars else "JSON"}
    schema = MappingSchema(dict(mapping), dialect=DIALECTS[query.dialect], normalize=False)
    if whole and not any("." in name for name in tables):
        _check_columns(query, tree, mapping)
        try:
            tree = qualify_columns(qualify_tables(tree), schema)
            validate_qualify_columns(tree)
        except (OptimizeError, SqlglotError, KeyError, AttributeError) as error:
            raise SqlProblem(_first_line(error), _place_of(query, error)) from error
    return annotate_types(tree, schema=schema, dialect=DIALECTS[query.dialect])


def _check_columns(query: Query, tree: exp.Query, mapping: Mapping[str, Mapping[str, str]]) -> None:
    """The first column that no table, alias or query of the text has: better said than the library says it."""
    known = {column for have in mapping.values() for column in have}
    known |= {alias.alias.lower() for alias in tree.find_all(exp.Alias, exp.TableAlias, exp.CTE) if alias.alias}
    known |= {name.name for alias in tree.find_all(exp.TableAlias) for name in alias.columns}
    for column in tree.find_all(exp.Column):
        if isinstance(column.this, exp.Identifier) and column.name not in known:
            raise SqlProblem(
                f"no table of this query has a column {column.name!r}{did_you_mean(column.name, known)}",
                query.place(column),
            )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")


def _place_of(query: Query, error: Exception) -> Any:
    from headrace.sql.problem import Place

    name = next((part for part in str(error).replace('"', "'").split("'")[1:2]), "")
    at = query.text.lower().find(name.lower()) if name else 0
    return Place.of(query.text, max(at, 0))


def _name(tree: exp.Query, names: list[str], columns: Columns | None) -> None:
    """The result's columns as the text names them; those of a ``*`` as their tables do."""
    physical = {column.lower(): column for have in (columns or {}).values() if have for column in have}
    first: exp.Expr = tree
    while isinstance(first, exp.SetOperation | exp.Subquery):
        first = first.this
    if not isinstance(first, exp.Select):
        return
    exact = len(names) == len(first.expressions) and "*" not in names
    for at, item in enumerate(first.expressions):
        if isinstance(item, exp.Alias):
            wanted = names[at] if exact else physical.get(item.alias, item.alias)
            item.set("alias", exp.to_identifier(wanted, quoted=True))


__all__ = ["Columns", "Query", "SqlProblem", "Statement", "check_names", "literal", "needs", "read", "translate"]
