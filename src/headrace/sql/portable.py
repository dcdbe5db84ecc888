"""From any dialect to any destination: every construct that is known to give the same rows everywhere is rewritten
into a portable function, and every other one is refused by name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp

from headrace.sql.problem import SqlProblem
from headrace.sql.read import MARK, UNKNOWN, Query
from headrace.sql.registry import FUNCTIONS, RULES
from headrace.sql.targets import CALL, ITEMS, call

DType = exp.DataType.Type
_TEXT = {*exp.DataType.TEXT_TYPES}
_INTS = {*exp.DataType.INTEGER_TYPES}
_FLOATS = {DType.FLOAT, DType.DOUBLE}
_TIMES = {DType.TIMESTAMP, DType.TIMESTAMPTZ, DType.TIMESTAMPLTZ, DType.TIMESTAMPNTZ, DType.DATETIME}
_UNITS = ("second", "minute", "hour", "day", "week", "month", "quarter", "year")
_DAY_UNITS = ("day", "week", "month", "quarter", "year")
_FORMAT = re.compile(r"%[YmdHMSj]")
_TO_CHAR = {"%Y": "YYYY", "%m": "MM", "%d": "DD", "%H": "HH24", "%M": "MI", "%S": "SS", "%j": "DDD"}

_CLASSES = {"w": "A-Za-z0-9_", "d": "0-9", "s": " \\t\\n\\r\\f\\v"}
"""What most engines mean by these: PostgreSQL would take all letters and digits there are."""

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

MOVES = (exp.DateAdd, exp.DateSub, exp.TimestampAdd, exp.TimestampSub)
"""A week more or less is seven days, whichever day weeks begin with."""

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
        name = what or _title(node)
        why = advice or _ADVICE.get(type(node).__name__, "")
        return SqlProblem(
            f"{name} ({self.query.dialect}) does not give the same rows everywhere, so it is refused"
            f"{f': {why}' if why else ''}",
            self.query.place(node),
        )

    def problem(self, node: exp.Expr, message: str) -> SqlProblem:
        return SqlProblem(message, self.query.place(node))

    def prepare(self, tree: exp.Query) -> exp.Query:
        """Unnested arrays become tables, JSON operators one form; names are in lower case. Raises SqlProblem."""
        for name in tree.find_all(exp.Identifier):
            name.set("this", name.name.lower())
        for raw in list(tree.find_all(exp.RawString)):
            raw.replace(_at(exp.Literal.string(raw.name), raw))
        for lambda_ in list(tree.find_all(exp.Lambda)):  # `a -> 'b'` among the arguments of an unknown function
            names = lambda_.expressions
            if len(names) == 1 and isinstance(names[0], exp.Identifier):
                path = lambda_.this
                lambda_.replace(exp.JSONExtract(this=exp.column(names[0].copy()), expression=path.copy()))
        for bracket in list(tree.find_all(exp.Bracket)):
            self._member(bracket)
        for join in list(tree.find_all(exp.Join)):
            self._unnest(join)
        for from_ in tree.find_all(exp.From):
            if isinstance(from_.this, exp.Unnest | exp.Lateral):
                raise self.refuse(from_.this)
        self._refuse_shapes(tree)
        return tree

    def _member(self, bracket: exp.Bracket) -> None:
        """``payload['who']`` of a VARIANT."""
        keys = bracket.expressions
        if self.query.dialect != "snowflake" or len(keys) != 1 or not isinstance(keys[0], exp.Literal):
            return
        key: exp.Expr = exp.JSONPathKey(this=keys[0].name)
        if not keys[0].is_string:
            key = exp.JSONPathSubscript(this=int(keys[0].name))
        path = exp.JSONPath(expressions=[exp.JSONPathRoot(), key])
        bracket.replace(_at(exp.JSONExtract(this=bracket.this, expression=path, variant_extract=True), bracket))

    def _unnest(self, join: exp.Join) -> None:
        source = join.this
        found = _array_of(source)
        if found is None:
            return
        array, alias, column = found
        plain = join.side == "" and join.kind in ("", "CROSS") and join.args.get("on") is None
        if not plain or source.args.get("offset") or source.args.get("outer") or source.args.get("ordinality"):
            raise self.refuse(source, "UNNEST other than a plain cross join")
        alias = alias or column or f"items_{len(self.items) + 1}"
        self.items[alias] = array
        if isinstance(array, exp.JSONValueArray) or _is_call(
            array, "jsonb_array_elements_text", "json_array_elements_text"
        ):
            self.scalars.add(alias)
        made = exp.Join(this=exp.Table(this=exp.to_identifier(alias)), kind="CROSS")
        select = join.find_ancestor(exp.Select)
        join.replace(made)
        for used in list(select.find_all(exp.Column)) if select is not None else ():
            own = used.name in (column, alias) and used.table in ("", alias)
            if own or (used.table == alias and used.name == "value"):
                used.replace(_at(exp.column("value", table=alias), used))

    def _refuse_shapes(self, tree: exp.Query) -> None:
        for node in tree.walk():
            cut = isinstance(node, exp.Query) and (node.args.get("limit") or node.args.get("offset"))
            if cut and not node.args.get("order") and not isinstance(node.parent, exp.Exists):
                raise self.refuse(cut, "LIMIT without ORDER BY", "which rows it gives is chance")
            if isinstance(node, exp.Select):
                if node.args.get("kind"):
                    raise self.refuse(node, f"SELECT AS {node.args['kind']}")
                for key in (
                    "laterals",
                    "pivots",
                    "connect",
                    "match",
                    "windows",
                    "sort",
                    "cluster",
                    "distribute",
                    "sample",
                ):
                    if node.args.get(key):
                        raise self.refuse(node, f"SELECT … {key.upper()}")
            elif isinstance(node, exp.Collate):
                raise self.refuse(node)
            elif isinstance(node, exp.TableFromRows):
                raise self.refuse(node, "TABLE(…)", "write , LATERAL FLATTEN(input => …) f")
            elif isinstance(node, exp.Table):
                for key in ("pivots", "sample", "version", "when", "ordinality", "partition"):
                    if node.args.get(key):
                        raise self.refuse(node, key.upper().removesuffix("S"))
                if not isinstance(node.this, exp.Identifier):
                    raise self.refuse(node.this, f"the table function {_title(node.this)}")
            elif isinstance(node, exp.Group) and (node.args.get("all") or node.args.get("totals")):
                raise self.refuse(node, "GROUP BY ALL")
            elif isinstance(node, exp.Rollup | exp.Cube | exp.GroupingSets):
                raise self.refuse(node, f"GROUP BY {_title(node)}")
            elif isinstance(node, exp.Limit | exp.Fetch) and not isinstance(node.parent, exp.Query):
                raise self.refuse(node, "LIMIT inside an aggregate")
            elif isinstance(node, exp.Join) and (node.method or node.kind in ("SEMI", "ANTI", "STRAIGHT")):
                raise self.refuse(node, f"{node.method or node.kind} JOIN")
            elif isinstance(node, exp.Join) and isinstance(node.this, exp.Lateral):
                raise self.refuse(node.this)
            elif isinstance(node, exp.Distinct) and node.args.get("on") is not None and self.target == "sqlite":
                continue
            elif isinstance(node, exp.Star) and node.args.get("rename"):
                raise self.refuse(node, "* RENAME")

    def rewrite(self, tree: exp.Query) -> exp.Query:
        """The tree in portable functions. Raises SqlProblem for the first construct that has none."""
        self._coerce_literals(tree)
        for node in reversed(list(tree.walk())):  # what is inside comes before what is around it
            if node is not tree and node.parent is None:
                continue
            made = self._one(node)
            if made is not node:
                if made.type is None or made.is_type(DType.UNKNOWN):
                    made.type = node.type
                _at(made, node)
                node.replace(made)
        for table in list(tree.find_all(exp.Table)):
            array = self.items.get(table.name) if table.args.get("db") is None else None
            if array is not None:
                self._place_items(table, array)
        return tree

    def _place_items(self, table: exp.Table, array: exp.Expr) -> None:
        """A lateral row source in the place of the name that stood for it."""
        document = self._document(array)
        inner = exp.select(document)  # rewritten on its own: it stands outside the tree by now
        document = Rewriting(self.query, self.target).rewrite(inner).expressions[0]
        guard = {"bigquery": "array_or_null", "snowflake": "array_unless_object"}.get(
            self.query.dialect, "array_or_fail"
        )
        source = exp.Anonymous(this=ITEMS, expressions=[call(guard, document.copy(), kind="JSON")])
        made: exp.Expr = exp.Table(this=source, alias=exp.TableAlias(this=exp.to_identifier(table.alias_or_name)))
        if self.target != "sqlite":
            made = exp.Lateral(this=source, alias=exp.TableAlias(this=exp.to_identifier(table.alias_or_name)))
        table.replace(made)

    def _document(self, array: exp.Expr) -> Any:
        """The JSON array that a function of arrays is given."""
        if isinstance(array, exp.JSONValueArray | exp.JSONExtractArray):
            path = array.args.get("expression")
            if path is None or (isinstance(path, exp.JSONPath) and len(path.expressions) < 2):
                return array.this.copy()
            return exp.JSONExtract(this=array.this.copy(), expression=path.copy())
        if isinstance(array, exp.Anonymous):
            return array.expressions[0].copy()
        return array.copy()

    def _coerce_literals(self, tree: exp.Query) -> None:
        """A text that is compared with a time is a time: where times are texts, the form of it counts."""
        from headrace.sql.comparing import COMPARISONS, sides_of

        choices = (exp.Coalesce, exp.Case, exp.If, exp.Nullif, exp.Greatest, exp.Least)
        compared = [(node, sides_of(node)) for node in tree.find_all(*COMPARISONS, *choices)]
        cases = (case for case in tree.find_all(exp.Case) if case.this is not None)
        compared += [(case, [case.this, *(branch.this for branch in case.args["ifs"])]) for case in cases]
        for node, sides in compared:
            kinds = {self.kind(side) for side in sides}
            for kind in ("timestamp", "date"):
                if kind in kinds:
                    for side in sides:
                        if isinstance(side, exp.Literal) and side.is_string:
                            side.replace(
                                _at(call(kind, side.copy(), kind="DATE" if kind == "date" else "TIMESTAMPTZ"), side)
                            )
                    break
            if kinds & {"int", "float", "decimal"} and isinstance(node, COMPARISONS):
                for side in sides:
                    if isinstance(side, exp.Literal) and side.is_string and UNKNOWN not in side.meta:
                        self._number(node, side)
            if {"timestamp", "date"} <= kinds:
                for side in sides:
                    if self.kind(side) == "date":
                        side.replace(_at(call("timestamp", side.copy(), kind="TIMESTAMPTZ"), side))

    def _number(self, node: exp.Expr, side: exp.Literal) -> None:
        """A text that is compared with numbers is one: where texts and numbers never are equal, it counts."""
        if not re.fullmatch(r"[+-]?\d+(\.\d+)?", side.name, re.ASCII):
            raise self.refuse(node, "a number compared with a text")
        number: exp.Expr = exp.Literal.number(side.name.lstrip("+-"))
        side.replace(_at(exp.Neg(this=number) if side.name.startswith("-") else number, side))

    def kind(self, node: exp.Expr) -> str:
        """int, float, decimal, text, bool, date, timestamp, json, or ``""`` where nothing tells."""
        while isinstance(node, exp.Paren | exp.Neg):
            node = node.this
        type = node.type.this if node.type is not None else None
        if isinstance(node, exp.Literal) and not node.is_string:
            return "int" if node.is_int else "float" if self.query.dialect == "bigquery" else "decimal"
        if isinstance(node, exp.Literal):
            return "" if UNKNOWN in node.meta else "text"
        if type in _INTS:
            return "int"
        if type in _FLOATS:
            return "float"
        if type in (DType.DECIMAL, DType.BIGDECIMAL):
            return "decimal"
        if type in _TEXT:
            return "text"
        if type == DType.BOOLEAN:
            return "bool"
        if type == DType.DATE:
            return "date"
        if type in _TIMES:
            return "timestamp"
        return "json" if type in (DType.JSON, DType.JSONB, DType.VARIANT, DType.OBJECT) else ""

    def _one(self, node: exp.Expr) -> Any:
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

    def json_path(self, node: exp.Expr, path: Any) -> exp.Expr:
        """A path as the target writes it. Raises SqlProblem for one with wildcards and the like."""
        steps = list(self._path_steps(node, path))
        if self.target == "postgresql":
            escaped = (str(step).replace("\\", "\\\\").replace('"', '\\"') for step in steps)
            text = "{" + ",".join(f'"{step}"' for step in escaped) + "}"
            return exp.cast(exp.Literal.string(text), "text[]")
        if any(isinstance(step, str) and '"' in step for step in steps):
            raise self.refuse(node, "a JSON path with a quotation mark in a key")
        text = "$" + "".join(f"[{step}]" if isinstance(step, int) else f'."{step}"' for step in steps)
        return exp.Literal.string(text)

    def _path_steps(self, node: exp.Expr, path: Any) -> Iterator[str | int]:
        if isinstance(path, exp.Literal):
            if not path.is_string:
                yield int(path.name)
            elif path.name.startswith("{") and path.name.endswith("}"):
                yield from (
                    int(part) if part.isdigit() else part.strip('"') for part in path.name[1:-1].split(",") if part
                )
            else:
                yield path.name
            return
        if not isinstance(path, exp.JSONPath):
            raise self.refuse(node, "a JSON path that is not a text in the query")
        for part in path.expressions:
            if isinstance(part, exp.JSONPathRoot):
                continue
            value = part.args.get("this")
            if (isinstance(part, exp.JSONPathKey) and isinstance(value, str)) or (
                isinstance(part, exp.JSONPathSubscript) and isinstance(value, int) and value >= 0
            ):
                yield value
            else:
                raise self.refuse(node, "a JSON path with wildcards, slices, filters or negative indexes")

    def time_format(self, node: exp.Expr) -> exp.Expr:
        """The format of a time: Y, m, d, H, M, S and j, with plain signs between them."""
        given = node.args.get("format")
        text = given.name if isinstance(given, exp.Literal) else None
        between = _FORMAT.sub("", text) if text is not None else "%"
        if text is None or re.search(r"[A-Za-z%\"\\]", between):
            raise self.refuse(given if given is not None else node, "a time format beyond year, month, day, hour, minute, second",
                              "%Y %m %d %H %M %S %j and signs between them")  # fmt: skip
        if self.target == "postgresql":
            return exp.Literal.string(_FORMAT.sub(lambda found: _TO_CHAR[found[0]], text))
        return exp.Literal.string(text)

    def unit(self, node: exp.Expr, allowed: tuple[str, ...] = _UNITS) -> str:
        """The unit of a time function. Raises SqlProblem for one that is not among ``allowed``."""
        given = node.args.get("unit")
        name = (given.name if isinstance(given, exp.Expr) else "day").lower()
        name = {"isoweek": "week"}.get(name, name) if self.query.dialect == "bigquery" else name
        written = (given.name if isinstance(given, exp.Expr) else "").upper()
        sunday = self.query.dialect == "bigquery" and written.startswith("WEEK") and not isinstance(node, MOVES)
        if name not in allowed or sunday:
            raise self.refuse(node, f"{_title(node)} by {written or name.upper()}")
        return name

    def pattern(self, node: exp.Expr, *, whole: bool = False) -> Any:
        """The pattern of a regular expression, when every engine reads it alike. ``whole``: what matches is used."""
        given = node.args.get("expression")
        text = given.name if isinstance(given, exp.Literal) and given.is_string else None
        bare = re.sub(r"\\[dws.\\/+*?()\[\]{}|^$-]", "a", text) if text is not None else ""
        odd = text is None or "\\" in bare or re.search(r"[*+?}][?+]|\(\?|\[\[|\[\^?\]", bare)
        words = text is not None and "\\w" in text and self.query.dialect == "postgresql"  # all letters there are
        if odd or words or (whole and "|" in bare):
            raise self.refuse(
                given if given is not None else node, "a regular expression that engines read differently",
                r"plain characters, . [] () * + ? {} ^ $ \d \w \s, and | only where nothing but a match counts",
            )  # fmt: skip
        assert given is not None
        if self.target != "postgresql":
            return given
        inside = re.compile(r"\\([wds])(?=[^\[]*\])")
        plain = inside.sub(lambda found: _CLASSES[found[1]], given.name)
        plain = re.sub(r"\\([wds])", lambda found: f"[{_CLASSES[found[1]]}]", plain)
        any_sign = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|(\.)", re.DOTALL)  # a dot is no line's end elsewhere
        return exp.Literal.string(any_sign.sub(lambda found: r"[^\n]" if found[1] else found[0], plain))


def _title(node: exp.Expr) -> str:
    known = {"Lateral": "LATERAL", "JSONBExtract": "#>", "Bracket": "[…]", "Array": "ARRAY[…]", "Struct": "STRUCT",
             "Pad": "LPAD or RPAD", "DecodeCase": "DECODE"}  # fmt: skip
    if isinstance(node, exp.Anonymous):
        return str(node.this).upper()
    for key in ("bigquery_name", "name"):
        if isinstance(node.meta.get(key), str):
            return str(node.meta[key]).upper()
    if isinstance(node, exp.Func):
        return known.get(type(node).__name__) or node.sql_name()
    return known.get(type(node).__name__) or re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(node).__name__).upper()


def _at(made: exp.Expr, old: exp.Expr) -> exp.Expr:
    """``made`` in the place of ``old``."""
    made.meta.update({key: value for key, value in old.meta.items() if key != MARK})
    return made


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
