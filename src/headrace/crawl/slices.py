"""What a crawl is cut into: combinations of values, steps of time, rows of a query."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from headrace.core.contracts import Session
from headrace.core.errors import InputError
from headrace.core.tables import SliceState
from headrace.core.templates import as_text

_STEPS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


def each(values: Mapping[str, Sequence[Any]]) -> Iterator[SliceState]:
    """Every combination of the values, in the order written; named ``us``, or ``us/movie``."""
    for position, combination in enumerate(itertools.product(*values.values())):
        name = "/".join(as_text(value) for value in combination)
        yield SliceState(name, position, dict(zip(values, combination, strict=True)))


def dates(start: datetime, end: datetime, step: str) -> Iterator[SliceState]:
    """Half-open steps of time; the last one ends at ``end``."""
    number, unit = int(step[:-1]), step[-1]
    position, at = 0, start
    while at < end:
        after = min(_plus(start, number * (position + 1), unit), end)
        yield SliceState(
            _date_text(at),
            position,
            {
                "start": _date_text(at),
                "end": _date_text(after),
                "start_unix": int(at.timestamp()),
                "end_unix": int(after.timestamp()),
            },
        )
        position, at = position + 1, after


def _plus(start: datetime, n: int, unit: str) -> datetime:
    if unit in _STEPS:
        return start + n * _STEPS[unit]
    months = start.month - 1 + n * (12 if unit == "y" else 1)
    year, month = start.year + months // 12, months % 12 + 1
    for day in range(start.day, 27, -1):  # the 31st of a shorter month is its last day
        try:
            return start.replace(year=year, month=month, day=day)
        except ValueError:
            continue
    return start.replace(year=year, month=month)


def _date_text(moment: datetime) -> str:
    if (moment.hour, moment.minute, moment.second, moment.microsecond) == (0, 0, 0, 0):
        return moment.date().isoformat()
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_date(text: Any, *, place: str) -> datetime:
    """An ISO 8601 date or date and time, or epoch seconds; without an offset it is UTC."""
    if isinstance(text, int) or re.fullmatch(r"\d{9,}", str(text)):
        return datetime.fromtimestamp(int(text), UTC)
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        raise InputError(
            f"{str(text)!r} is not a date", hint="write 2026-01-31 or 2026-01-31T12:00:00Z", place=place
        ) from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def rows(session: Session, sql: str, params: Sequence[Any]) -> Iterator[SliceState]:
    """A slice for each row of a query; named by the first column, which must be unique."""
    position = 0
    for batch in session.query(sql, params):
        for row in batch.to_pylist():
            yield SliceState(as_text(next(iter(row.values()))), position, {k: _plain(v) for k, v in row.items()})
            position += 1


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
