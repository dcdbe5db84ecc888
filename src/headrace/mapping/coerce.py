"""Which type a value has, what a declared type makes of it, and what is stored."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from decimal import Context, Decimal, InvalidOperation
from typing import Any

from headrace.core.contracts import Limits
from headrace.core.types import DECIMAL_PRECISION, DECIMAL_SCALE, ColumnType, widen
from headrace.mapping.cells import Cell, Json, Moment, Num, Unfit, iso_of, micros_of, shown, text_of

EXACT_IN_FLOAT = 2**53
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_EXACT = Context(prec=80)
_QUANTUM = Decimal(1).scaleb(-DECIMAL_SCALE)
_NUL_ESCAPE = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
NUMERIC = frozenset({"int", "bigint", "decimal", "float"})


def decimal_of(text: str) -> Decimal | None:
    """The number, or ``None`` when its exponent is beyond what Python takes."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def _fits_decimal(number: Decimal) -> bool:
    if not number:
        return True
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    if len(digits) + exponent > DECIMAL_PRECISION - DECIMAL_SCALE or len(digits) > 10_000:
        return False
    kept = "".join(map(str, digits)).rstrip("0")
    return exponent + len(digits) - len(kept) >= -DECIMAL_SCALE


def _fits_float(text: str, number: Decimal) -> bool:
    return Decimal(repr(float(text))) == number


def number_type(text: str) -> ColumnType:
    """The narrowest type that holds the number of this text exactly."""
    digits = text[1:] if text[:1] == "-" else text
    if digits.isdigit():
        if len(digits) <= 15:
            return "int"
        if len(digits) <= 19:
            value = int(text)
            if abs(value) <= EXACT_IN_FLOAT:
                return "int"
            if -(2**63) <= value < 2**63:
                return "bigint"
        return "decimal" if len(digits.lstrip("0")) <= DECIMAL_PRECISION - DECIMAL_SCALE else "string"
    number = decimal_of(text)
    if number is None:
        return "string"
    if _fits_float(text, number):
        return "float"
    return "decimal" if _fits_decimal(number) else "string"


def _declared_number(text: str, declared: ColumnType) -> ColumnType:
    """The declared type where it holds the number exactly, else the type to widen to."""
    found = number_type(text)
    if found == declared or widen(declared, found) == declared:
        return declared
    number = decimal_of(text)
    if number is not None:
        whole = number.is_finite() and number.adjusted() < 20 and number == number.to_integral_value(context=_EXACT)
        if declared == "int" and whole and abs(number) <= EXACT_IN_FLOAT:
            return declared
        if declared == "decimal" and _fits_decimal(number):
            return declared
        if declared == "float" and _fits_float(text, number):
            return declared
    return widen(declared, found)


def type_of(cell: Cell, declared: ColumnType | None) -> ColumnType:
    """The type of a value that is not null, after :func:`declare`."""
    if declared is not None and declared not in NUMERIC:
        return declared
    if isinstance(cell, Num):
        return number_type(cell.text) if declared is None else _declared_number(cell.text, declared)
    if isinstance(cell, bool):
        return "bool"
    if isinstance(cell, str):
        return "string"
    if isinstance(cell, Json):
        return "json"
    return "timestamp" if isinstance(cell, Moment) else "date"


def declare(cell: Cell, declared: ColumnType, column: str = "") -> Cell:
    """What a declared type makes of a value that is not null. Raises :class:`Unfit`."""
    if declared in NUMERIC:
        if isinstance(cell, Num):
            return cell
        if isinstance(cell, str) and _NUMBER.fullmatch(text := cell.strip()):
            if _JSON_NUMBER.fullmatch(text):
                return Num(text)
            number = decimal_of(text)
            if number is not None:
                return Num(str(number))
        raise _unfit(
            cell,
            column,
            f"a number ({declared})",
            "a number or a text that is one; apply: [empty_to_null] for empty texts",
        )
    if declared == "string":
        return text_of(cell)
    if declared == "json":
        return cell if isinstance(cell, Json) else Json(_as_json(cell))
    if declared == "bool":
        if isinstance(cell, bool):
            return cell
        word = text_of(cell).strip().lower() if isinstance(cell, str | Num) else ""
        if word in ("true", "false", "1", "0"):
            return word in ("true", "1")
        raise _unfit(cell, column, "a bool", "true, false, 1, 0, or one of these as text")
    if declared == "timestamp":
        return _moment(cell, column)
    return _day(cell, column)


def _as_json(cell: Cell) -> str:
    return json.dumps(text_of(cell), ensure_ascii=False) if isinstance(cell, str | date | Moment) else text_of(cell)


def _moment(cell: Cell, column: str) -> Moment:
    if isinstance(cell, Moment):
        return cell
    try:
        if isinstance(cell, str):
            return Moment(micros_of(datetime.fromisoformat(cell)))
        if isinstance(cell, date):
            return Moment(micros_of(datetime(cell.year, cell.month, cell.day, tzinfo=UTC)))
    except (ValueError, OverflowError):
        pass
    raise _unfit(
        cell, column, "a timestamp", "ISO 8601 such as 2024-05-01T12:00:00Z; apply: [epoch_seconds] for numbers"
    )


def _day(cell: Cell, column: str) -> date:
    if isinstance(cell, date):
        return cell
    try:
        if isinstance(cell, str):
            return date.fromisoformat(cell) if len(cell) <= 10 else datetime.fromisoformat(cell).date()
        if isinstance(cell, Moment):
            return date.fromisoformat(iso_of(cell.micros)[:10])
    except (ValueError, OverflowError):
        pass
    raise _unfit(cell, column, "a date", "ISO 8601 such as 2024-05-01")


def _unfit(cell: Cell, column: str, what: str, allowed: str) -> Unfit:
    return Unfit(f"column {column!r}: {shown(cell)} is not {what}; allowed: {allowed}", column)


def check(cell: Cell, limits: Limits, column: str) -> None:
    """Raise :class:`Unfit` for a value that the destination does not take."""
    if isinstance(cell, str | Num | Json):
        text = text_of(cell)
        if not limits.nul and ("\0" in text if isinstance(cell, str) else _NUL_ESCAPE.search(text)):
            raise Unfit(f"column {column!r}: the text holds U+0000, which this destination cannot store", column)
        most = limits.max_value
        if most is not None and len(text) * 4 > most and len(text.encode()) > most:
            raise Unfit(
                f"column {column!r}: a value of {len(text.encode()):,} bytes; this destination takes {most:,}", column
            )
    elif isinstance(cell, Moment | date):
        year = cell.year if isinstance(cell, date) else int(iso_of(cell.micros)[:4])
        if not limits.year_min <= year <= limits.year_max:
            raise Unfit(
                f"column {column!r}: year {year}; this destination takes {limits.year_min} to {limits.year_max}", column
            )


def stored(cell: Cell, column: ColumnType) -> Any:
    """What goes into an Arrow array of a column of this type; timestamps as microseconds."""
    if cell is None:
        return None
    if column in ("string", "json"):
        return text_of(cell)
    if isinstance(cell, Num):
        if column in ("int", "bigint"):
            return int(cell.text) if cell.text.lstrip("-").isdigit() else int(Decimal(cell.text))
        if column == "float":
            return float(cell.text)
        return _EXACT.quantize(Decimal(cell.text), _QUANTUM)
    return cell.micros if isinstance(cell, Moment) else cell
