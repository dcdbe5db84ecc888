"""The constructs that are carried over, each with its portable function. What is not here is refused."""

from __future__ import annotations

import re
from typing import Any

from sqlglot import exp

from headrace.sql.comparing import arithmetic, check_place, no_decimal, no_json
from headrace.sql.portable import Rewriting, function, rule
from headrace.sql.targets import call

Node = Any
"""A node of the library's, whose copies and parts have no types."""
Rw = Rewriting
_BLANKS = " \t\n\r\v\f"


# -- JSON ------------------------------------------------------------------------------------------------------


@rule(exp.JSONExtractScalar)
def _json_scalar(rw: Rw, node: Any) -> Node:
    scalar = rw.query.dialect != "postgresql"
    path = rw.json_path(node, node.expression)
    return call("json_text" if scalar else "json_any_text", node.this, path, kind="TEXT")


@rule(exp.JSONBExtractScalar)
def _jsonb_scalar(rw: Rw, node: Any) -> Node:
    return call("json_any_text", node.this, rw.json_path(node, node.expression), kind="TEXT")


@rule(exp.JSONExtract, exp.JSONBExtract)
def _json_part(rw: Rw, node: Any) -> Node:
    parent = node.parent
    if node.args.get("variant_extract") and not isinstance(
        parent, exp.Cast | exp.TryCast | exp.Alias | exp.Select | exp.JSONExtract | exp.ParseJSON | exp.ArraySize
    ):
        raise rw.refuse(node, "a VARIANT compared or given on without a type", "write payload:id::string")
    return call("json_part", node.this, rw.json_path(node, node.expression), kind="JSON")


@rule(exp.ParseJSON)
def _json_parse(rw: Rw, node: Any) -> Node:
    return call("json_parse", node.this, kind="JSON")


@rule(exp.JSONExtractArray)
def _json_array(rw: Rw, node: Any) -> Node:
    path = node.args.get("expression") or exp.JSONPath(expressions=[])
    return call("json_part", node.this, rw.json_path(node, path), kind="JSON")


@rule(exp.ArraySize)
def _json_length(rw: Rw, node: Any) -> Node:
    return call("json_length", node.this, rw.json_path(node, exp.JSONPath(expressions=[])), kind="BIGINT")


@function("jsonb_array_length", "json_array_length")
def _jsonb_length(rw: Rw, node: Any) -> Node:
    return call("json_length", node.expressions[0], rw.json_path(node, exp.JSONPath(expressions=[])), kind="BIGINT")


@function("jsonb_build_object", "json_build_object")
def _json_object(rw: Rw, node: Any) -> Node:
    return call("json_object", *node.expressions, kind="JSON")


@rule(exp.Struct)
def _struct(rw: Rw, node: Any) -> Node:
    pairs = node.expressions
    if rw.query.dialect != "snowflake" or not all(isinstance(pair, exp.PropertyEQ) for pair in pairs):
        raise rw.refuse(node)
    return call("json_object", *[part for pair in pairs for part in (pair.this, pair.expression)], kind="JSON")


@rule(exp.PropertyEQ)
def _pair(rw: Rw, node: Any) -> Node:
    return node


# -- types -----------------------------------------------------------------------------------------------------


@rule(exp.Cast, exp.TryCast)
def _cast(rw: Rw, node: Any) -> Node:
    if isinstance(node.to, exp.DataType) and node.find_ancestor(exp.Anonymous) is not None and node.is_type("text[]"):
        return node
    trying = isinstance(node, exp.TryCast)
    inner, before = node.this, rw.kind(node.this)
    if isinstance(inner, exp.Anonymous) and inner.this == "headrace.json_part":
        inner = call("json_any_text", *inner.expressions, kind="TEXT")
        before = "text"
    elif before == "json" and isinstance(inner, exp.Column | exp.Anonymous):
        whole = rw.json_path(node, exp.JSONPath(expressions=[]))
        inner, before = call("json_any_text", inner, whole, kind="TEXT"), "text"
    after = rw.kind(node)
    kind = node.to.sql()
    if (
        after == "decimal"
        and rw.query.dialect == "snowflake"
        and [p.name for p in node.to.expressions][1:] in ([], ["0"])
    ):
        after = "int"  # NUMBER is NUMBER(38, 0)
    if trying and after not in ("int", "float"):
        raise rw.refuse(node, f"SAFE_CAST or TRY_CAST to {kind}", "to whole numbers and floats only")
    match after:
        case "int" if trying:
            return call("try_int", inner, kind="BIGINT")
        case "float" if trying:
            return call("try_float", inner, kind="DOUBLE")
        case "int" if rw.query.dialect == "postgresql" and before in ("float", ""):
            if not before:
                raise rw.refuse(node, "a value whose type is not known as a whole number", "floats round to the even number, others up: cast it to double precision or numeric before")  # fmt: skip
            return call("to_int_even", inner, kind="BIGINT")
        case "int":
            return call("bool_to_int" if before == "bool" else "to_int", inner, kind="BIGINT")
        case "float":
            return call("to_float", inner, kind="DOUBLE")
        case "text" if before in ("float", "timestamp", "decimal"):
            raise rw.refuse(node, f"a {before} as text", "FORMAT_TIMESTAMP or TO_CHAR gives a time as text" if before == "timestamp" else "round it, or cast it to a whole number")  # fmt: skip
        case "text":
            return call("bool_to_text" if before == "bool" else "to_text", inner, kind="TEXT")
        case "bool" if before == "bool":
            return inner
        case "bool":
            return call("text_to_bool", inner, kind="BOOLEAN")
        case "date":
            return call("date", inner, kind="DATE")
        case "timestamp":
            return call("timestamp", inner, kind="TIMESTAMPTZ")
        case "json":
            return call("json_parse", inner, kind="JSON")
        case "decimal" if rw.target != "sqlite":
            if node.to.expressions and [part.name for part in node.to.expressions][1:] not in ([], ["0"]):
                made = call("to_decimal", inner, kind="DECIMAL")
                return call("round_decimal", made, int(node.to.expressions[1].name), kind="DECIMAL")
            return call("to_decimal", inner, kind="DECIMAL")
        case "decimal":
            raise rw.refuse(node, "an exact decimal on SQLite", "SQLite has none: cast to FLOAT64 or double precision")
    raise rw.refuse(node, f"a cast to {kind}")


@rule(exp.ToNumber)
def _to_number(rw: Rw, node: Any) -> Node:
    if node.args.get("format") is not None or str(node.args.get("scale") or "0") != "0":
        raise rw.refuse(node)
    return call("try_int" if node.args.get("safe") else "to_int", node.this, kind="BIGINT")


# -- numbers ---------------------------------------------------------------------------------------------------


@rule(exp.Div)
def _divide(rw: Rw, node: Any) -> Node:
    left, right = rw.kind(node.this), rw.kind(node.expression)
    if rw.query.dialect == "bigquery" or "float" in (left, right):
        return call("divide", node.this, node.expression, kind="DOUBLE")
    if rw.query.dialect == "snowflake":
        raise rw.refuse(node, "division of exact numbers", "Snowflake keeps six digits: cast one side to FLOAT")
    if left == right == "int":
        return call("divide_int", node.this, node.expression, kind="BIGINT")
    raise rw.refuse(
        node, "division of exact numbers, or of those whose types are not known", "cast one side to double precision"
    )


@rule(exp.IntDiv)
def _divide_int(rw: Rw, node: Any) -> Node:
    return call("divide_int", node.this, node.expression, kind="BIGINT")


@rule(exp.Mod)
def _modulo(rw: Rw, node: Any) -> Node:
    return call("modulo", node.this, node.expression, kind="BIGINT")


@rule(exp.SafeDivide)
def _safe_divide(rw: Rw, node: Any) -> Node:
    return call("divide_or_null", node.this, node.expression, kind="DOUBLE")


@rule(exp.Round)
def _round(rw: Rw, node: Any) -> Node:
    places = node.args.get("decimals")
    if node.args.get("truncate") is not None or (places is not None and not isinstance(places, exp.Literal)):
        raise rw.refuse(node, "ROUND with more than a number of digits")
    no_decimal(rw, node, node.this)
    if rw.query.dialect == "postgresql" and rw.kind(node.this) != "decimal":
        if rw.kind(node.this) != "float":
            raise rw.refuse(node, "ROUND of a value that is not known to be a float or decimal", "cast it")
        return call("round_even", node.this, kind="DOUBLE")
    return call("round", node.this, places if places is not None else 0, kind="DOUBLE")


@rule(exp.Floor, exp.Ceil)
def _floor(rw: Rw, node: Any) -> Node:
    if node.args.get("decimals") is not None or node.args.get("to") is not None:
        raise rw.refuse(node)
    return call("floor" if isinstance(node, exp.Floor) else "ceil", node.this, kind="DOUBLE")


@rule(exp.Greatest, exp.Least)
def _greatest(rw: Rw, node: Any) -> Node:
    args = [node.this, *node.expressions]
    no_json(rw, node, *args)
    no_decimal(rw, node, *args)
    name = "greatest" if isinstance(node, exp.Greatest) else "least"
    made = call(name, *args, kind=node.this.type.sql() if node.this.type is not None else "")
    if rw.query.dialect == "postgresql":
        return made
    absent: Any = args[0].copy().is_(exp.null())
    for arg in args[1:]:
        absent = exp.or_(absent, arg.copy().is_(exp.null()))
    return exp.Case(ifs=[exp.If(this=absent, true=exp.null())], default=made)


# -- aggregates ------------------------------------------------------------------------------------------------


@rule(exp.Sum)
def _sum(rw: Rw, node: Any) -> Node:
    kind = rw.kind(node.this)
    if isinstance(node.this, exp.Distinct):
        raise rw.refuse(node, "SUM(DISTINCT)")
    no_decimal(rw, node, node.this)
    if kind in ("text", "json"):
        raise rw.refuse(node, f"SUM of a {kind}", "cast it to a number")
    if kind == "float":
        return call("sum_float", node.this, kind="DOUBLE")
    if kind != "int":
        return node
    around = isinstance(node.parent, exp.Window | exp.Filter)  # which goes inside the cast
    return call("sum_plain" if around else "sum_int", node.this, kind="BIGINT")


def _whole(rw: Rw, node: Any) -> Node:
    """A sum of whole numbers is one, whatever the destination adds up in."""
    inner = node.this.this if isinstance(node.this, exp.Filter) else node.this
    if (
        isinstance(inner, exp.Anonymous)
        and inner.this == "headrace.sum_plain"
        and not isinstance(node.parent, exp.Window)
    ):
        return call("whole", node.copy(), kind="BIGINT")
    return node


@rule(exp.Filter)
def _filter(rw: Rw, node: Any) -> Node:
    return _whole(rw, node)


@rule(exp.Avg)
def _avg(rw: Rw, node: Any) -> Node:
    if isinstance(node.this, exp.Distinct):
        raise rw.refuse(node, "AVG(DISTINCT)")
    if rw.query.dialect != "bigquery" and rw.kind(node.this) != "float":
        raise rw.refuse(
            node, "AVG of exact numbers", "how many digits it has differs: cast to FLOAT or double precision"
        )
    return call("avg", node.this, kind="DOUBLE")


@rule(exp.CountIf)
def _count_if(rw: Rw, node: Any) -> Node:
    return call("count_if", node.this, kind="BIGINT")


@rule(exp.LogicalOr, exp.LogicalAnd)
def _any_true(rw: Rw, node: Any) -> Node:
    return call("any_true" if isinstance(node, exp.LogicalOr) else "all_true", node.this, kind="BOOLEAN")


@rule(exp.WithinGroup)
def _within(rw: Rw, node: Any) -> Node:
    raise rw.refuse(node, "WITHIN GROUP")


def _ordered(rw: Rw, node: Any) -> tuple[Node, Node | None, bool]:
    """(value, what it is ordered by, whether downwards) of an aggregate."""
    inner = node.this
    if not isinstance(inner, exp.Order):
        if isinstance(inner, exp.Distinct):
            raise rw.refuse(node, "DISTINCT inside an ordered aggregate")
        return inner, None, False
    if len(inner.expressions) != 1 or isinstance(inner.this, exp.Distinct):
        raise rw.refuse(node, "an aggregate ordered by several keys")
    key = inner.expressions[0]
    return inner.this, key.this, bool(key.args.get("desc"))


@rule(exp.GroupConcat)
def _join(rw: Rw, node: Any) -> Node:
    value, key, down = _ordered(rw, node)
    if key is None:
        raise rw.refuse(node, "joined texts without ORDER BY", "the order of the rows would be chance")
    glue = node.args.get("separator") or exp.Literal.string("," if rw.query.dialect == "bigquery" else "")
    return call("join_texts_desc" if down else "join_texts_asc", value, glue, key, kind="TEXT")


@rule(exp.ArrayAgg)
def _array(rw: Rw, node: Any) -> Node:
    value, key, down = _ordered(rw, node)
    if key is None:
        raise rw.refuse(node, "an array without ORDER BY", "the order of the rows would be chance")
    if rw.kind(value) not in ("int", "text", "float"):
        raise rw.refuse(node, "an array of values that are neither numbers nor texts", "cast them")
    return call("array_desc" if down else "array_asc", value, key, kind="JSON")


# -- texts -----------------------------------------------------------------------------------------------------


@rule(exp.Lower, exp.Upper)
def _case(rw: Rw, node: Any) -> Node:
    return call("lower" if isinstance(node, exp.Lower) else "upper", node.this, kind="TEXT")


@rule(exp.Trim)
def _trim(rw: Rw, node: Any) -> Node:
    where = str(node.args.get("position") or "").upper()
    name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(where, "trim")
    signs = node.args.get("expression")
    if signs is None:
        signs = exp.Literal.string(_BLANKS if rw.query.dialect == "bigquery" else " ")
    return call(name, node.this, signs, kind="TEXT")


@rule(exp.Length)
def _length(rw: Rw, node: Any) -> Node:
    return call("length", node.this, kind="BIGINT")


@rule(exp.Substring)
def _substring(rw: Rw, node: Any) -> Node:
    start, length = node.args.get("start"), node.args.get("length")
    if not isinstance(start, exp.Literal) or start.is_string or start.name == "0":
        raise rw.refuse(node, "SUBSTR from a place that is no positive number")
    if length is None:
        return call("substring", node.this, start, kind="TEXT")
    return call("substring_for", node.this, start, length, kind="TEXT")


@rule(exp.Left)
def _left(rw: Rw, node: Any) -> Node:
    return call("substring_for", node.this, 1, node.expression, kind="TEXT")


@rule(exp.Replace)
def _replace(rw: Rw, node: Any) -> Node:
    return call("replace", node.this, node.expression, node.args["replacement"], kind="TEXT")


@rule(exp.StartsWith, exp.EndsWith)
def _starts(rw: Rw, node: Any) -> Node:
    name = "starts_with" if isinstance(node, exp.StartsWith) else "ends_with"
    return call(name, node.this, node.expression, kind="BOOLEAN")


@rule(exp.StrPosition)
def _position(rw: Rw, node: Any) -> Node:
    if node.args.get("position") is not None or node.args.get("occurrence") is not None:
        raise rw.refuse(node, "a position counted from elsewhere than the beginning")
    return call("position", node.this, node.args["substr"], kind="BIGINT")


@rule(exp.Contains)
def _contains(rw: Rw, node: Any) -> Node:
    return exp.GT(this=call("position", node.this, node.expression, kind="BIGINT"), expression=exp.Literal.number(0))


@rule(exp.SplitPart)
def _split_part(rw: Rw, node: Any) -> Node:
    index = node.args.get("part_index")
    if not isinstance(index, exp.Literal) or index.is_string or index.name == "0":
        raise rw.refuse(node, "SPLIT_PART other than a positive part")
    return call("split_part", node.this, node.args["delimiter"], index, kind="TEXT")


@rule(exp.Like, exp.ILike)
def _like(rw: Rw, node: Any) -> Node:
    pattern = node.expression
    if not isinstance(pattern, exp.Literal) or "\\" in pattern.name:
        raise rw.refuse(node, "LIKE with a pattern that is computed or has a backslash")
    return call("like" if isinstance(node, exp.Like) else "ilike", node.this, pattern, kind="BOOLEAN")


@rule(exp.Concat)
def _concat(rw: Rw, node: Any) -> Node:
    parts = list(node.expressions)
    if rw.query.dialect == "postgresql":
        parts = [exp.Coalesce(this=part, expressions=[exp.Literal.string("")]) for part in parts]
    return call("concat", *parts, kind="TEXT")


@rule(exp.DPipe)
def _pipe(rw: Rw, node: Any) -> Node:
    return call("concat", node.this, node.expression, kind="TEXT")


@rule(exp.RegexpLike)
def _regexp(rw: Rw, node: Any) -> Node:
    if rw.query.dialect == "snowflake" or node.args.get("flag") is not None:
        raise rw.refuse(node, "REGEXP_LIKE", "Snowflake matches the whole text, others a part of it")
    return call("regexp_contains", node.this, rw.pattern(node), kind="BOOLEAN")


@rule(exp.RegexpExtract)
def _regexp_extract(rw: Rw, node: Any) -> Node:
    if any(node.args.get(key) is not None for key in ("position", "occurrence", "parameters")):
        raise rw.refuse(node, "REGEXP_EXTRACT with more than a pattern")
    pattern = rw.pattern(node, whole=True)
    if pattern.name.count("(") - pattern.name.count("\\(") > 1:
        raise rw.refuse(node, "REGEXP_EXTRACT with several groups")
    return call("regexp_extract", node.this, pattern, 1 if "(" in pattern.name.replace("\\(", "") else 0, kind="TEXT")


@rule(exp.RegexpReplace)
def _regexp_replace(rw: Rw, node: Any) -> Node:
    text = node.args.get("replacement")
    everywhere = rw.query.dialect != "postgresql" or str(node.args.get("modifiers") or "").strip("'") == "g"
    if not isinstance(text, exp.Literal) or "\\" in text.name or not everywhere:
        raise rw.refuse(node, "REGEXP_REPLACE other than every match by a plain text")
    return call("regexp_replace", node.this, rw.pattern(node, whole=True), text, kind="TEXT")


@rule(exp.MD5)
def _md5(rw: Rw, node: Any) -> Node:
    return call("md5", node.this, kind="TEXT")


@rule(exp.SHA2Digest)
def _digest(rw: Rw, node: Any) -> Node:
    if not isinstance(node.parent, exp.LowerHex) or str(node.args.get("length") or "256") != "256":
        raise rw.refuse(node, "a digest as bytes", "write TO_HEX(SHA256(x))")
    return node


@rule(exp.LowerHex)
def _hex(rw: Rw, node: Any) -> Node:
    if not isinstance(node.this, exp.SHA2Digest):
        raise rw.refuse(node, "TO_HEX of anything but MD5 and SHA256")
    return call("sha256", node.this.this, kind="TEXT")


@rule(exp.SHA2)
def _sha2(rw: Rw, node: Any) -> Node:
    if str(node.args.get("length") or "256") != "256":
        raise rw.refuse(node)
    return call("sha256", node.this, kind="TEXT")


# -- times -----------------------------------------------------------------------------------------------------


@rule(exp.Timestamp, exp.TsOrDsToTimestamp)
def _timestamp(rw: Rw, node: Any) -> Node:
    if node.args.get("zone") is not None or node.args.get("expression") is not None:
        raise rw.refuse(node, "TIMESTAMP with a time zone")
    return call("timestamp", node.this, kind="TIMESTAMPTZ")


@rule(exp.Date, exp.TsOrDsToDate)
def _date(rw: Rw, node: Any) -> Node:
    if node.args.get("zone") is not None or node.expressions or node.args.get("format") is not None:
        raise rw.refuse(node, "DATE of more than one value")
    return call("date", node.this, kind="DATE")


@rule(exp.TimestampTrunc)
def _trunc(rw: Rw, node: Any) -> Node:
    if node.args.get("zone") is not None:
        raise rw.refuse(node, "TIMESTAMP_TRUNC with a time zone")
    kind = rw.kind(node.this)
    if rw.query.dialect == "snowflake":
        if kind not in ("date", "timestamp"):
            raise rw.refuse(node, "DATE_TRUNC of a value whose type is not known", "cast it: x::date or x::timestamp")
        if kind == "date":
            return call(
                "date_trunc", rw.unit(node, ("day", "week", "month", "quarter", "year")), node.this, kind="DATE"
            )
    return call("timestamp_trunc", rw.unit(node), node.this, kind="TIMESTAMPTZ")


@rule(exp.DateTrunc)
def _date_trunc(rw: Rw, node: Any) -> Node:
    if rw.query.dialect != "bigquery" and rw.kind(node.this) != "date":
        return _trunc(rw, node)
    return call("date_trunc", rw.unit(node, ("day", "week", "month", "quarter", "year")), node.this, kind="DATE")


def _shift(rw: Rw, node: Any, *, back: bool, timestamp: bool | None = None) -> Node:
    kind = rw.kind(node.this)
    timestamp = kind == "timestamp" if timestamp is None else timestamp
    if rw.query.dialect != "bigquery" and kind not in ("date", "timestamp"):
        raise rw.refuse(node, "time added to a value whose type is not known", "cast it: x::date or x::timestamp")
    count = node.expression
    if isinstance(count, exp.Literal) and not re.fullmatch(r"-?\d+", count.name):
        raise rw.refuse(node, "an INTERVAL other than a whole number of one unit")
    unit = rw.unit(node, ("second", "minute", "hour", "day", "week", "month", "year") if timestamp else ("day", "week", "month", "year"))  # fmt: skip
    if isinstance(count, exp.Literal) and count.is_string:
        count = exp.Literal.number(count.name)
    count = exp.Neg(this=exp.Paren(this=count)) if back else count
    if timestamp:
        return call("timestamp_add", unit, node.this, count, kind="TIMESTAMPTZ")
    return call("date_add", unit, node.this, count, kind="DATE")


@rule(exp.TimestampAdd)
def _timestamp_add(rw: Rw, node: Any) -> Node:
    return _shift(rw, node, back=False, timestamp=True)


@rule(exp.TimestampSub)
def _timestamp_sub(rw: Rw, node: Any) -> Node:
    return _shift(rw, node, back=True, timestamp=True)


@rule(exp.DateAdd)
def _date_add(rw: Rw, node: Any) -> Node:
    return _shift(rw, node, back=False, timestamp=False if rw.query.dialect == "bigquery" else None)


@rule(exp.DateSub)
def _date_sub(rw: Rw, node: Any) -> Node:
    return _shift(rw, node, back=True, timestamp=False if rw.query.dialect == "bigquery" else None)


@rule(exp.Interval)
def _interval(rw: Rw, node: Any) -> Node:
    if isinstance(node.parent, exp.Add | exp.Sub) and node.parent.expression is node:
        return node
    raise rw.refuse(node)


@rule(exp.Add, exp.Sub)
def _plus(rw: Rw, node: Any) -> Node:
    step = node.expression
    if not isinstance(step, exp.Interval):
        if rw.kind(node.this) in ("date", "timestamp"):
            raise rw.refuse(node, "a time plus or minus a value that is no INTERVAL")
        return arithmetic(rw, node)
    if rw.query.dialect == "postgresql" and rw.kind(node.this) == "date":
        moved = exp.DateAdd(
            this=call("timestamp", node.this, kind="TIMESTAMPTZ"), expression=step.this, unit=step.args.get("unit")
        )
    else:
        moved = exp.DateAdd(this=node.this, expression=step.this, unit=step.args.get("unit"))
    return _shift(rw, moved, back=isinstance(node, exp.Sub))


@rule(exp.DateDiff)
def _date_diff(rw: Rw, node: Any) -> Node:
    return call("boundaries", rw.unit(node, ("day", "month", "year")), node.this, node.expression, kind="BIGINT")


@rule(exp.TimestampDiff)
def _timestamp_diff(rw: Rw, node: Any) -> Node:
    return call(
        "elapsed", rw.unit(node, ("second", "minute", "hour", "day")), node.this, node.expression, kind="BIGINT"
    )


@rule(exp.Extract)
def _extract(rw: Rw, node: Any) -> Node:
    part = node.this.name.lower()
    if part == "date" and rw.query.dialect == "bigquery":
        return call("date", node.expression, kind="DATE")
    if part == "epoch" and rw.query.dialect == "snowflake":
        return call("unix_seconds", node.expression, kind="BIGINT")
    part = (
        {"dayofyear": "doy", "isoweek": "week"}.get(part, part)
        if part != "week" or rw.query.dialect == "postgresql"
        else "?"
    )
    allowed: tuple[str, ...] = ("year", "quarter", "month", "day", "hour", "minute", "doy", "week")
    if rw.query.dialect != "postgresql":
        allowed = (*allowed, "second")
    if part not in allowed:
        raise rw.refuse(node, f"EXTRACT({node.this.name.upper()})")
    return call("part", part, node.expression, kind="BIGINT")


@rule(exp.Year, exp.Month, exp.Day)
def _part(rw: Rw, node: Any) -> Node:
    return call("part", type(node).__name__.lower(), node.this, kind="BIGINT")


@rule(exp.TimeToStr)
def _format(rw: Rw, node: Any) -> Node:
    if node.args.get("zone") is not None:
        raise rw.refuse(node, "a formatted time in another time zone")
    if rw.kind(node.this) not in ("date", "timestamp", ""):
        raise rw.refuse(node, f"a formatted {rw.kind(node.this)}")
    return call("format_time", node.this, rw.time_format(node), kind="TEXT")


@rule(exp.StrToDate)
def _parse_date(rw: Rw, node: Any) -> Node:
    return call("parse_date", node.this, rw.time_format(node), kind="DATE")


@rule(exp.UnixSeconds, exp.TimeToUnix)
def _unix(rw: Rw, node: Any) -> Node:
    return call("unix_seconds", node.this, kind="BIGINT")


@rule(exp.UnixToTime)
def _of_unix(rw: Rw, node: Any) -> Node:
    scale = node.args.get("scale")
    if scale is not None and scale.name not in ("0", ""):
        raise rw.refuse(node)
    return call("of_unix_seconds", node.this, kind="TIMESTAMPTZ")


# -- the rest --------------------------------------------------------------------------------------------------


@rule(exp.NullSafeEQ, exp.NullSafeNEQ)
def _distinct_from(rw: Rw, node: Any) -> Node:
    no_json(rw, node, node.this, node.expression)
    no_decimal(rw, node, node.this, node.expression)
    name = "not_distinct_from" if isinstance(node, exp.NullSafeEQ) else "distinct_from"
    return call(name, node.this, node.expression, kind="BOOLEAN")


@rule(exp.Except, exp.Intersect)
def _all(rw: Rw, node: Any) -> Node:
    if not node.args.get("distinct"):
        raise rw.refuse(node, f"{type(node).__name__.upper()} ALL", "SQLite has only the form without doubles")
    return node


@rule(exp.Ordered)
def _order(rw: Rw, node: Any) -> Node:
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
def _column(rw: Rw, node: Any) -> Node:
    if node.table not in rw.items or node.name != "value":
        return node
    scalar = node.table in rw.scalars
    kind = "TEXT" if scalar else "JSON"
    if rw.target == "sqlite":  # its own column has lost what is JSON
        parts = [exp.column(name, table=node.table) for name in ("json", "fullkey")]
        return call("json_any_text" if scalar else "json_part", *parts, kind=kind)
    if not scalar:
        return node
    return call("json_any_text", node.copy(), rw.json_path(node, exp.JSONPath(expressions=[])), kind=kind)


@rule(exp.Min, exp.Max)
def _extreme(rw: Rw, node: Any) -> Node:
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
def _window(rw: Rw, node: Any) -> Node:
    check_place(rw, node)
    no_json(rw, node, *(node.args.get("partition_by") or ()))
    spec = node.args.get("spec")
    if (
        spec is not None
        and str(spec.args.get("kind") or "ROWS").upper() != "ROWS"
        and spec.args.get("start") not in ("UNBOUNDED", "CURRENT ROW")
    ):
        raise rw.refuse(node, "a window of RANGE or GROUPS between values")
    return _whole(rw, node)
