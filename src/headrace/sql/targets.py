"""Writing a tree in the SQL of a destination. What databases do differently is not left to the library: each
portable function is a text of ours in ``functions/<destination>.sql``."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.dialects.postgres import Postgres
from sqlglot.dialects.sqlite import SQLite
from sqlglot.generators.duckdb import DuckDBGenerator
from sqlglot.generators.postgres import PostgresGenerator
from sqlglot.generators.sqlite import SQLiteGenerator

CALL = "headrace."
"""What the name of a portable function begins with: no name that a person writes has a dot in it."""
ITEMS = CALL + "items"
_SECTION = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)
_HOLE = re.compile(r"\{(\d+|\*|\| *[^}]*)\}")
_SIMPLE = (exp.Column, exp.Literal, exp.Identifier, exp.Anonymous, exp.Paren, exp.Null, exp.Boolean, exp.Func)


@cache
def functions(target: str) -> dict[str, str]:
    """The portable functions of a destination by name."""
    text = (files("headrace.sql") / "functions" / f"{target}.sql").read_text("utf-8")
    parts = _SECTION.split(text)
    return {name: body.strip() for name, body in zip(parts[1::2], parts[2::2], strict=True)}


def call(name: str, *args: exp.Expr | str | int, kind: str = "") -> exp.Anonymous:
    """A call of a portable function; ``kind`` is the type it gives. A plain string is a text literal."""
    made = [
        exp.Literal.string(arg) if isinstance(arg, str) else exp.Literal.number(arg) if isinstance(arg, int) else arg
        for arg in args
    ]
    node = exp.Anonymous(this=CALL + name, expressions=made)
    if kind:
        node.type = exp.DataType.build(kind)
    return node


class _Writing:
    """What the generators of all destinations share."""

    target: str

    def anonymous_sql(self, expression: exp.Anonymous) -> str:
        name = expression.this
        if not isinstance(name, str) or not name.startswith(CALL):
            return str(super().anonymous_sql(expression))  # type: ignore[misc]  # of the generator beside this class
        args = [self._argument(arg) for arg in expression.expressions]

        def one(hole: re.Match[str]) -> str:
            if hole[1].isdigit():
                return args[int(hole[1])]
            return (", " if hole[1] == "*" else hole[1][1:]).join(args)

        return _HOLE.sub(one, functions(self.target)[name.removeprefix(CALL)])

    def _argument(self, node: exp.Expr) -> str:
        sql = str(self.sql(node))  # type: ignore[attr-defined]  # of the generator beside this class
        return sql if isinstance(node, _SIMPLE) else f"({sql})"


class _DuckDB(DuckDB):
    class Generator(_Writing, DuckDBGenerator):
        target = "duckdb"


class _PostgreSQL(Postgres):
    class Generator(_Writing, PostgresGenerator):
        target = "postgresql"


class _SQLite(SQLite):
    class Tokenizer(SQLite.Tokenizer):
        IDENTIFIERS = ["`", '"', ("[", "]")]
        """Backticks first: SQLite takes an unknown name in double quotes for a text."""

    class Generator(_Writing, SQLiteGenerator):
        target = "sqlite"


_DIALECTS: dict[str, type[Dialect]] = {"duckdb": _DuckDB, "postgresql": _PostgreSQL, "sqlite": _SQLite}


def write(tree: exp.Query, target: str) -> str:
    """The text of ``tree`` for ``target``; names are quoted, comments left out."""
    return tree.sql(dialect=_DIALECTS[target], identify=True, comments=False, normalize_functions=False)
