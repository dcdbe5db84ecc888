"""A value between the answer and its column, with nothing of it lost.

``None``, ``bool`` and ``str`` stand for themselves; numbers, objects and lists keep the text they were sent
as; an instant is a :class:`Moment`, a day a ``datetime.date``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeAlias

import msgspec


@dataclass(frozen=True, slots=True)
class Num:
    """A JSON number by its own text."""

    text: str


@dataclass(frozen=True, slots=True)
class Json:
    """JSON by its own text: an object, a list, or what a column declared as ``json`` holds."""

    text: str


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant in microseconds since 1970 UTC."""

    micros: int


Cell: TypeAlias = bool | str | Num | Json | Moment | date | None

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_string = msgspec.json.Decoder(str).decode


class Unfit(Exception):
    """A value, row or record that cannot be stored: why, and in which column."""

    def __init__(self, reason: str, column: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.column = column


def from_text(raw: bytes) -> Cell:
    """The cell of one JSON value."""
    head = raw[:1]
    if head == b'"':
        return _string(raw)
    if head in (b"{", b"["):
        return Json(raw.decode())
    if raw == b"null":
        return None
    if raw in (b"true", b"false"):
        return raw == b"true"
    return Num(raw.decode())


def from_python(value: Any) -> Cell:
    """The cell of a constant: what YAML or a variable gives."""
    if value is None or isinstance(value, bool | str | Num | Json | Moment):
        return value
    if isinstance(value, datetime):
        return Moment(micros_of(value))
    if isinstance(value, date):
        return value
    if isinstance(value, int | Decimal):
        return Num(str(value))
    if isinstance(value, float):
        return Num(repr(value))
    return Json(json.dumps(value, ensure_ascii=False, default=str))


def micros_of(moment: datetime) -> int:
    """Microseconds since 1970; a time without an offset is UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1)


def iso_of(micros: int) -> str:
    """ISO 8601 in UTC."""
    return (_EPOCH + timedelta(microseconds=micros)).isoformat().replace("+00:00", "Z")


def text_of(cell: Cell) -> str:
    """The value's own text; not for ``None``."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, Num | Json):
        return cell.text
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, Moment):
        return iso_of(cell.micros)
    assert cell is not None
    return cell.isoformat()


def plain(cell: Cell) -> Any:
    """The value as ``json.loads`` would give it: what a row's hash is made of."""
    if isinstance(cell, Num | Json):
        try:
            return json.loads(cell.text)
        except (ValueError, RecursionError):  # an integer of thousands of digits, or nesting beyond the stack
            return cell.text
    if isinstance(cell, Moment | date):
        return text_of(cell)
    return cell


def shown(cell: Cell) -> str:
    """The value in a message: short, on one line."""
    text = "null" if cell is None else repr(cell) if isinstance(cell, str) else text_of(cell)
    return text if len(text) <= 60 else f"{text[:57]}..."
