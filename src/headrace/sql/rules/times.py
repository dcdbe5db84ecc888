"""Dates and times."""

from __future__ import annotations

import re
from typing import Any

from sqlglot import exp

from headrace.sql.comparing import arithmetic
from headrace.sql.portable import Rewriting
from headrace.sql.registry import rule
from headrace.sql.targets import call

Node = Any
"""A node of the library's, whose copies and parts have no types."""
Rw = Rewriting


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
