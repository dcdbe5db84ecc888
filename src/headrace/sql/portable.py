"""From any dialect to any destination: every construct that is known to give the same rows everywhere is rewritten
into a portable function, and every other one is refused by name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp

from headrace.sql.comparing import coerce_literals
from headrace.sql.nodes import placed, title
from headrace.sql.problem import SqlProblem
from headrace.sql.read import UNKNOWN, Query
from headrace.sql.registry import FUNCTIONS, RULES
from headrace.sql.targets import CALL
from headrace.sql.unnesting import place_items

DType = exp.DataType.Type
_KINDS: dict[Any, str] = {
    **dict.fromkeys(exp.DataType.INTEGER_TYPES, "int"),
    **dict.fromkeys((DType.FLOAT, DType.DOUBLE), "float"),
    **dict.fromkeys((DType.DECIMAL, DType.BIGDECIMAL), "decimal"),
    **dict.fromkeys(exp.DataType.TEXT_TYPES, "text"),
    DType.BOOLEAN: "bool",
    DType.DATE: "date",
    **dict.fromkeys(
        (DType.TIMESTAMP, DType.TIMESTAMPTZ, DType.TIMESTAMPLTZ, DType.TIMESTAMPNTZ, DType.DATETIME), "timestamp"
    ),
    **dict.fromkeys((DType.JSON, DType.JSONB, DType.VARIANT, DType.OBJECT), "json"),
}
PLAIN: tuple[type[exp.Expr], ...] = (
    exp.Select, exp.From, exp.Where, exp.Having, exp.Order, exp.Ordered, exp.Limit, exp.Offset,
    exp.With, exp.CTE, exp.Subquery, exp.Join, exp.Table, exp.TableAlias, exp.Alias, exp.Column,
    exp.Identifier, exp.Star, exp.Null, exp.Boolean, exp.Paren, exp.Tuple, exp.And, exp.Or, exp.Not,
    exp.Is, exp.Exists,
    exp.Neg, exp.Abs, exp.Count, exp.Min, exp.Max, exp.Filter,
    exp.Window, exp.WindowSpec, exp.RowNumber, exp.Rank, exp.DenseRank, exp.Lag, exp.Lead, exp.FirstValue,
    exp.LastValue, exp.Qualify, exp.DataType, exp.DataTypeParam, exp.Var, exp.Ntile,
)  # fmt: skip
"""What means the same everywhere and is written as it stands."""

_ADVICE: dict[str, str] = {
    "CurrentTimestamp": "a step that runs again has to give the same rows: write '{now}'",
    "CurrentDate": "a step that runs again has to give the same rows: write '{date}'",
    "Rand": "a step that runs again has to give the same rows",
    "Uuid": "a step that runs again has to give the same rows",
    "AnyValue": "which value it gives is chance: use MIN or MAX",
    "Lateral": "only LATERAL FLATTEN(input => …) is carried over",
    "Unnest": "only , UNNEST(JSON_VALUE_ARRAY(…)) and the like are carried over",
    "Values": "write SELECT … UNION ALL SELECT …",
    "Pivot": "write a CASE for each column",
    "TableSample": "which rows it gives is chance",
}


@dataclass
class Rewriting:
    """One query on its way to ``target``."""

    query: Query
    target: str
    items: dict[str, exp.Expr] = field(default_factory=dict)
    """The JSON arrays that are unnested, by the alias of their rows."""
    scalars: set[str] = field(default_factory=set)
    """Those of them whose alias is the value itself, as text."""

    def refuse(self, node: exp.Expr, what: str = "", advice: str = "") -> SqlProblem:
        """The refusal of ``node``; ``what`` is the construct when its class does not say it."""
        name = what or title(node)
        why = advice or _ADVICE.get(type(node).__name__, "")
        return SqlProblem(
            f"{name} ({self.query.dialect}) does not give the same rows everywhere, so it is refused"
            f"{f': {why}' if why else ''}",
            self.query.place(node),
        )

    def rewrite(self, tree: exp.Query) -> exp.Query:
        """The tree in portable functions. Raises SqlProblem for the first construct that has none."""
        coerce_literals(self, tree)
        for node in reversed(list(tree.walk())):  # what is inside comes before what is around it
            if node is not tree and node.parent is None:
                continue
            made = self._carried_over(node)
            if made is not node:
                if made.type is None or made.is_type(DType.UNKNOWN):
                    made.type = node.type
                placed(made, node)
                node.replace(made)
        for table in list(tree.find_all(exp.Table)):
            array = self.items.get(table.name) if table.args.get("db") is None else None
            if array is not None:
                place_items(self, table, array)
        return tree

    def kind(self, node: exp.Expr) -> str:
        """int, float, decimal, text, bool, date, timestamp, json, or ``""`` where nothing tells."""
        while isinstance(node, exp.Paren | exp.Neg):
            node = node.this
        if isinstance(node, exp.Literal):
            if node.is_string:
                return "" if UNKNOWN in node.meta else "text"
            return "int" if node.is_int else "float" if self.query.dialect == "bigquery" else "decimal"
        return _KINDS.get(node.type.this, "") if node.type is not None else ""

    def _carried_over(self, node: exp.Expr) -> Any:
        rule = RULES.get(type(node))
        if rule is not None:
            return rule(self, node)
        if isinstance(node, exp.JSONPath | exp.JSONPathPart | exp.Kwarg | exp.Collate):
            return node
        if isinstance(node, exp.Anonymous):
            name = str(node.this)
            if name.startswith(CALL):
                return node
            unknown = FUNCTIONS.get(name.lower())
            if unknown is None:
                raise self.refuse(node, name.upper())
            return unknown(self, node)
        if not isinstance(node, PLAIN):
            raise self.refuse(node)
        return node
