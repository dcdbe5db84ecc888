"""Functions that SQL steps need and SQLite lacks. Times are ISO texts in UTC as :func:`time_text` writes them, dates
their first ten characters. Every function but the aggregates is null when its first argument is."""

from __future__ import annotations

import hashlib
import json
import math
import re
import sqlite3
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any

from headrace.destinations._rows import time_text

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
_WHOLE = re.compile(r"\s*[+-]?\d{1,18}\s*", re.ASCII)
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)


def install(connection: sqlite3.Connection) -> None:
    """Give ``connection`` the functions; they live as long as it does."""
    for name, (count, work) in _FUNCTIONS.items():
        connection.create_function(name, count, work, deterministic=True)
    connection.create_aggregate("headrace_join", 4, _Join)  # type: ignore[arg-type]  # finalize may give null
    connection.create_aggregate("headrace_array", 3, _Array)  # type: ignore[arg-type]  # finalize may give null


_FUNCTIONS: dict[str, tuple[int, Callable[..., Any]]] = {}


def _sql(count: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def keep(work: Callable[..., Any]) -> Callable[..., Any]:
        def checked(*args: Any) -> Any:
            return None if None in args else work(*args)

        _FUNCTIONS["headrace" + work.__name__] = (count, checked)
        return work

    return keep


@lru_cache(maxsize=4096)
def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


@_sql(1)
def _timestamp(value: str) -> Any:
    return time_text(_moment(value))


@_sql(1)
def _date(value: str) -> str:
    return _moment(value).date().isoformat()


@_sql(2)
def _timestamp_trunc(unit: str, value: str) -> Any:
    at = _moment(value)
    if unit in ("second", "minute", "hour"):
        fields: dict[str, int] = {"microsecond": 0}
        fields |= {"second": 0} if unit != "second" else {}
        fields |= {"minute": 0} if unit == "hour" else {}
        return time_text(at.replace(**fields))  # type: ignore[arg-type]  # whole fields only
    day = at.date()
    match unit:
        case "week":
            day -= timedelta(days=day.weekday())
        case "month":
            day = day.replace(day=1)
        case "quarter":
            day = day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
        case "year":
            day = day.replace(month=1, day=1)
    return time_text(datetime(day.year, day.month, day.day, tzinfo=UTC))


@_sql(3)
def _timestamp_add(unit: str, value: str, count: int) -> Any:
    at = _moment(value)
    if unit in _SECONDS:
        return time_text(at + timedelta(seconds=_SECONDS[unit] * int(count)))
    months = at.year * 12 + at.month - 1 + int(count) * (12 if unit == "year" else 1)
    first = date(months // 12, months % 12 + 1, 1)
    after = (first.replace(day=28) + timedelta(days=4)).replace(day=1)
    return time_text(at.replace(year=first.year, month=first.month, day=min(at.day, (after - first).days)))


@_sql(3)
def _boundaries(unit: str, end: str, start: str) -> int:
    a, b = _moment(end).date(), _moment(start).date()
    if unit == "day":
        return (a - b).days
    years = a.year - b.year
    return years if unit == "year" else years * 12 + a.month - b.month


@_sql(3)
def _elapsed(unit: str, end: str, start: str) -> int:
    micros = (_moment(end) - _moment(start)) // timedelta(microseconds=1)
    whole = abs(micros) // (_SECONDS[unit] * 1_000_000)
    return whole if micros >= 0 else -whole


@_sql(2)
def _part(part: str, value: str) -> int:
    at = _moment(value)
    match part:
        case "quarter":
            return (at.month - 1) // 3 + 1
        case "doy":
            return at.timetuple().tm_yday
        case "week":
            return at.isocalendar().week
    return int(getattr(at, part))


@_sql(1)
def _unix_seconds(value: str) -> int:
    return (_moment(value) - _EPOCH) // timedelta(seconds=1)


@_sql(1)
def _of_unix_seconds(value: int) -> Any:
    return time_text(_EPOCH + timedelta(seconds=int(value)))


@_sql(2)
def _format_time(value: str, form: str) -> str:
    at = _moment(value)
    return at.strftime(form.replace("%Y", f"{at.year:04d}"))


@_sql(2)
def _parse_date(value: str, form: str) -> str:
    return datetime.strptime(value, form).replace(tzinfo=UTC).date().isoformat()


@_sql(1)
def _to_int(value: Any) -> int:
    return value if isinstance(value, int) else int(Decimal(str(value).strip()).quantize(Decimal(1), ROUND_HALF_UP))


@_sql(1)
def _try_int(value: Any) -> int | None:
    return int(value) if _WHOLE.fullmatch(str(value)) else None


@_sql(1)
def _to_float(value: Any) -> float:
    return float(value)


@_sql(1)
def _try_float(value: Any) -> float | None:
    return float(value) if _NUMBER.fullmatch(str(value)) else None


@_sql(1)
def _to_bool(value: Any) -> int:
    return {"true": 1, "false": 0, "1": 1, "0": 0}[str(value).lower()]


@_sql(2)
def _divide(left: float, right: float) -> float:
    return left / right


@_sql(2)
def _divide_int(left: int, right: int) -> int:
    whole = abs(left) // abs(right)
    return whole if (left < 0) == (right < 0) else -whole


@_sql(2)
def _modulo(left: int, right: int) -> int:
    rest = abs(left) % abs(right)
    return rest if left >= 0 else -rest


@_sql(2)
def _round(value: float, places: int) -> float:
    return float(Decimal(repr(value)).quantize(Decimal(1).scaleb(-int(places)), ROUND_HALF_UP))


@_sql(1)
def _exact(value: Any) -> int:
    """A result of arithmetic with whole numbers, which SQLite makes a float when 64 bits do not hold it."""
    if isinstance(value, float):
        raise ValueError("a whole number of more than 64 bits")
    return int(value)


@_sql(1)
def _json_float(value: float) -> str:
    return repr(float(value))


@_sql(1)
def _no_array(value: Any) -> None:
    raise ValueError("JSON that is no array where one is unnested")


@_sql(1)
def _round_even(value: float) -> int:
    return round(value)


@_sql(1)
def _floor(value: float) -> float:
    return float(math.floor(value))


@_sql(1)
def _ceil(value: float) -> float:
    return float(math.ceil(value))


def _greatest(*values: Any) -> Any:
    return max((value for value in values if value is not None), default=None)


def _least(*values: Any) -> Any:
    return min((value for value in values if value is not None), default=None)


_FUNCTIONS["headrace_greatest"] = (-1, _greatest)
_FUNCTIONS["headrace_least"] = (-1, _least)


@_sql(1)
def _lower(value: Any) -> str:
    return str(value).replace("İ", "i").lower()


@_sql(1)
def _upper(value: Any) -> str:
    return "".join(up if len(up := sign.upper()) == 1 else sign for sign in str(value))


@_sql(2)
def _ends_with(value: str, end: str) -> bool:
    return value.endswith(end)


@_sql(3)
def _split_part(value: str, glue: str, index: int) -> str:
    parts = value.split(glue) if glue else [value]
    return parts[index - 1] if index <= len(parts) else ""


@lru_cache(maxsize=256)
def _like_pattern(pattern: str, blind: int) -> re.Pattern[str]:
    text = "".join({"%": ".*", "_": "."}.get(sign) or re.escape(sign) for sign in pattern)
    return re.compile(text, re.DOTALL | (re.IGNORECASE if blind else 0))


@_sql(3)
def _like(value: Any, pattern: str, blind: int) -> bool:
    return _like_pattern(pattern, blind).fullmatch(str(value)) is not None


@lru_cache(maxsize=256)
def _regexp(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern.replace("$", r"\Z") if pattern.endswith("$") else pattern, re.ASCII)


@_sql(2)
def _regexp_contains(value: str, pattern: str) -> bool:
    return _regexp(pattern).search(value) is not None


@_sql(3)
def _regexp_extract(value: str, pattern: str, group: int) -> str | None:
    found = _regexp(pattern).search(value)
    return (found[group] or None) if found else None


@_sql(3)
def _regexp_replace(value: str, pattern: str, text: str) -> str:
    return _regexp(pattern).sub(lambda _: text, value)


@_sql(1)
def _md5(value: str) -> str:
    return hashlib.md5(str(value).encode(), usedforsecurity=False).hexdigest()


@_sql(1)
def _sha256(value: str) -> str:
    return hashlib.sha256(str(value).encode()).hexdigest()


class _Sorted:
    """An aggregate whose values are in an order: downwards (1), those without a place first (2)."""

    def __init__(self) -> None:
        self.rows: list[tuple[Any, Any]] = []
        self.down = self.first = False

    def keep(self, value: Any, key: Any, how: int) -> None:
        self.rows.append((key, value))
        self.down, self.first = bool(how & 1), bool(how & 2)

    def values(self) -> list[Any]:
        self.rows.sort(key=lambda row: (row[1] is None, row[1]))  # rows of one place
        placed = sorted((row for row in self.rows if row[0] is not None), key=lambda row: row[0], reverse=self.down)
        absent = [row for row in self.rows if row[0] is None]
        return [value for _, value in ([*absent, *placed] if self.first else [*placed, *absent])]


class _Join(_Sorted):
    glue = ""

    def step(self, value: Any, glue: str, key: Any, how: int) -> None:
        self.glue = glue
        if value is not None:
            self.keep(value, key, how)

    def finalize(self) -> str | None:
        return self.glue.join(map(str, self.values())) if self.rows else None


class _Array(_Sorted):
    def step(self, value: Any, key: Any, how: int) -> None:
        self.keep(value, key, how)

    def finalize(self) -> str | None:
        return json.dumps(self.values(), ensure_ascii=False, separators=(",", ":")) if self.rows else None
