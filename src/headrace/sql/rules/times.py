"""Dates and times."""

from __future__ import annotations

import re

from sqlglot import exp

from headrace.sql.comparing import arithmetic
from headrace.sql.nodes import Node, title
from headrace.sql.portable import Rewriting
from headrace.sql.registry import rule
from headrace.sql.targets import call

_UNITS = ("second", "minute", "hour", "day", "week", "month", "quarter", "year")
_DAY_UNITS = ("day", "week", "month", "quarter", "year")
_FIELD = re.compile(r"%[YmdHMSj]")
_TO_CHAR = {"%Y": "YYYY", "%m": "MM", "%d": "DD", "%H": "HH24", "%M": "MI", "%S": "SS", "%j": "DDD"}
_MOVES = (exp.DateAdd, exp.DateSub, exp.TimestampAdd, exp.TimestampSub)
"""A week more or less is seven days, whichever day weeks begin with."""


def _unit(rw: Rewriting, node: exp.Expr, allowed: tuple[str, ...] = _UNITS) -> str:
    """The unit of a time function. Raises SqlProblem for one that is not among ``allowed``."""
    given = node.args.get("unit")
    name = (given.name if isinstance(given, exp.Expr) else "day").lower()
    name = {"isoweek": "week"}.get(name, name) if rw.query.dialect == "bigquery" else name
    written = (given.name if isinstance(given, exp.Expr) else "").upper()
    sunday = rw.query.dialect == "bigquery" and written.startswith("WEEK") and not isinstance(node, _MOVES)
    if name not in allowed or sunday:
        raise rw.refuse(node, f"{title(node)} by {written or name.upper()}")
    return name


def _time_format(rw: Rewriting, node: exp.Expr) -> exp.Expr:
    """The format of a time: Y, m, d, H, M, S and j, with plain signs between them."""
    given = node.args.get("format")
    text = given.name if isinstance(given, exp.Literal) else None
    between = _FIELD.sub("", text) if text is not None else "%"
    if text is None or re.search(r"[A-Za-z%\"\\]", between):
        raise rw.refuse(given if given is not None else node, "a time format beyond year, month, day, hour, minute, second",
                          "%Y %m %d %H %M %S %j and signs between them")  # fmt: skip
    if rw.target == "postgresql":
        return exp.Literal.string(_FIELD.sub(lambda found: _TO_CHAR[found[0]], text))
    return exp.Literal.string(text)


@rule(exp.Timestamp, exp.TsOrDsToTimestamp)
def _timestamp(rw: Rewriting, node: Node) -> Node:
    if node.args.get("zone") is not None or node.args.get("expression") is not None:
        raise rw.refuse(node, "TIMESTAMP with a time zone")
    return call("timestamp", node.this, kind="TIMESTAMPTZ")


@rule(exp.Date, exp.TsOrDsToDate)
def _date(rw: Rewriting, node: Node) -> Node:
    if node.args.get("zone") is not None or node.expressions or node.args.get("format") is not None:
        raise rw.refuse(node, "DATE of more than one value")
    return call("date", node.this, kind="DATE")


@rule(exp.TimestampTrunc)
def _trunc(rw: Rewriting, node: Node) -> Node:
    if node.args.get("zone") is not None:
        raise rw.refuse(node, "TIMESTAMP_TRUNC with a time zone")
    kind = rw.kind(node.this)
    if rw.query.dialect == "snowflake":
        if kind not in ("date", "timestamp"):
            raise rw.refuse(node, "DATE_TRUNC of a value whose type is not known", "cast it: x::date or x::timestamp")
        if kind == "date":
            return call("date_trunc", _unit(rw, node, _DAY_UNITS), node.this, kind="DATE")
    return call("timestamp_trunc", _unit(rw, node), node.this, kind="TIMESTAMPTZ")


@rule(exp.DateTrunc)
def _date_trunc(rw: Rewriting, node: Node) -> Node:
    if rw.query.dialect != "bigquery" and rw.kind(node.this) != "date":
        return _trunc(rw, node)
    return call("date_trunc", _unit(rw, node, _DAY_UNITS), node.this, kind="DATE")


def _shift(rw: Rewriting, node: Node, *, back: bool, timestamp: bool | None = None) -> Node:
    kind = rw.kind(node.this)
    timestamp = kind == "timestamp" if timestamp is None else timestamp
    if rw.query.dialect != "bigquery" and kind not in ("date", "timestamp"):
        raise rw.refuse(node, "time added to a value whose type is not known", "cast it: x::date or x::timestamp")
    count = node.expression
    if isinstance(count, exp.Literal) and not re.fullmatch(r"-?\d+", count.name):
        raise rw.refuse(node, "an INTERVAL other than a whole number of one unit")
    unit = _unit(rw, node, ("second", "minute", "hour", "day", "week", "month", "year") if timestamp else ("day", "week", "month", "year"))  # fmt: skip
    if isinstance(count, exp.Literal) and count.is_string:
        count = exp.Literal.number(count.name)
    count = exp.Neg(this=exp.Paren(this=count)) if back else count
    if timestamp:
        return call("timestamp_add", unit, node.this, count, kind="TIMESTAMPTZ")
    return call("date_add", unit, node.this, count, kind="DATE")


@rule(exp.TimestampAdd)
def _timestamp_add(rw: Rewriting, node: Node) -> Node:
    return _shift(rw, node, back=False, timestamp=True)


@rule(exp.TimestampSub)
def _timestamp_sub(rw: Rewriting, node: Node) -> Node:
    return _shift(rw, node, back=True, timestamp=True)


@rule(exp.DateAdd)
def _date_add(rw: Rewriting, node: Node) -> Node:
    return _shift(rw, node, back=False, timestamp=False if rw.query.dialect == "bigquery" else None)


@rule(exp.DateSub)
def _date_sub(rw: Rewriting, node: Node) -> Node:
    return _shift(rw, node, back=True, timestamp=False if rw.query.dialect == "bigquery" else None)


@rule(exp.Interval)
def _interval(rw: Rewriting, node: Node) -> Node:
    if isinstance(node.parent, exp.Add | exp.Sub) and node.parent.expression is node:
        return node
    raise rw.refuse(node)


@rule(exp.Add, exp.Sub)
def _plus(rw: Rewriting, node: Node) -> Node:
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
def _date_diff(rw: Rewriting, node: Node) -> Node:
    return call("boundaries", _unit(rw, node, ("day", "month", "year")), node.this, node.expression, kind="BIGINT")


@rule(exp.TimestampDiff)
def _timestamp_diff(rw: Rewriting, node: Node) -> Node:
    return call(
        "elapsed", _unit(rw, node, ("second", "minute", "hour", "day")), node.this, node.expression, kind="BIGINT"
    )


@rule(exp.Extract)
def _extract(rw: Rewriting, node: Node) -> Node:
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
def _part(rw: Rewriting, node: Node) -> Node:
    return call("part", type(node).__name__.lower(), node.this, kind="BIGINT")


@rule(exp.TimeToStr)
def _format(rw: Rewriting, node: Node) -> Node:
    if node.args.get("zone") is not None:
        raise rw.refuse(node, "a formatted time in another time zone")
    if rw.kind(node.this) not in ("date", "timestamp", ""):
        raise rw.refuse(node, f"a formatted {rw.kind(node.this)}")
    return call("format_time", node.this, _time_format(rw, node), kind="TEXT")


@rule(exp.StrToDate)
def _parse_date(rw: Rewriting, node: Node) -> Node:
    return call("parse_date", node.this, _time_format(rw, node), kind="DATE")


@rule(exp.UnixSeconds, exp.TimeToUnix)
def _unix(rw: Rewriting, node: Node) -> Node:
    return call("unix_seconds", node.this, kind="BIGINT")


@rule(exp.UnixToTime)
def _of_unix(rw: Rewriting, node: Node) -> Node:
    scale = node.args.get("scale")
    if scale is not None and scale.name not in ("0", ""):
        raise rw.refuse(node)
    return call("of_unix_seconds", node.this, kind="TIMESTAMPTZ")
