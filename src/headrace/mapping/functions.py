"""The closed list of functions that ``apply`` may name. None of them sees a null."""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Callable

from headrace.mapping.cells import Cell, Json, Moment, Num, Unfit, shown, text_of
from headrace.mapping.coerce import decimal_of
from headrace.mapping.walk import Node

_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.(\d+))?S)?)?")
_FURTHEST = 10**20


def _items(cell: Cell) -> list[Cell] | None:
    if not isinstance(cell, Json):
        return None
    inside = Node(cell.text.encode()).children
    return [item.cell() for item in inside] if isinstance(inside, list) else None


def _on_text(change: Callable[[str], str]) -> Callable[[Cell], Cell]:
    """On a text, or on each text of a list; other values pass unchanged."""

    def apply(cell: Cell) -> Cell:
        if isinstance(cell, str):
            return change(cell)
        items = _items(cell)
        if items is None:
            return cell
        return Json("[" + ",".join(_json(change(x) if isinstance(x, str) else x) for x in items) + "]")

    return apply


def _json(cell: Cell) -> str:
    if cell is None:
        return "null"
    return json.dumps(cell, ensure_ascii=False) if isinstance(cell, str) else text_of(cell)


def _empty_to_null(cell: Cell) -> Cell:
    return None if (isinstance(cell, str) and not cell.strip()) or cell in (Json("[]"), Json("{}")) else cell


def _epoch(unit: int) -> Callable[[Cell], Cell]:
    def apply(cell: Cell) -> Cell:
        if isinstance(cell, Moment):
            return cell
        number = decimal_of(text_of(cell).strip()) if isinstance(cell, str | Num) else None
        if number is None or not number.is_finite() or abs(number) * unit > _FURTHEST:
            raise Unfit(f"{shown(cell)} is not a time since 1970; allowed: a number or a text that is one")
        micros = int(number * unit)
        if not -62_135_596_800_000_000 <= micros < 253_402_300_800_000_000:
            raise Unfit(f"{shown(cell)} since 1970 lies outside the years 1 to 9999 (seconds, or milliseconds?)")
        return Moment(micros)

    return apply


def _iso_duration_minutes(cell: Cell) -> Cell:
    """``PT1H21M30S`` → 82: half a minute and more rounds up; nothing at all is unknown, hence null."""
    found = _DURATION.fullmatch(cell) if isinstance(cell, str) and cell not in ("P", "PT") else None
    if found is None:
        raise Unfit(f"{shown(cell)} is not a duration; allowed: ISO 8601 such as PT1H21M0S")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups()[:4])
    total = (days * 24 + hours) * 60 + minutes + (seconds + 30) // 60
    return Num(str(total)) if total else None


def _digest(name: str) -> Callable[[Cell], Cell]:
    def apply(cell: Cell) -> Cell:
        return hashlib.new(name, text_of(cell).encode(), usedforsecurity=False).hexdigest()

    return apply


def _end(index: int) -> Callable[[Cell], Cell]:
    def apply(cell: Cell) -> Cell:
        items = _items(cell)
        return cell if items is None else items[index] if items else None

    return apply


def _length(cell: Cell) -> Cell:
    if isinstance(cell, str):
        return Num(str(len(cell)))
    inside = Node(cell.text.encode()).children if isinstance(cell, Json) else None
    if inside is None:
        raise Unfit(f"{shown(cell)} has no length; allowed: texts, lists and objects")
    return Num(str(len(inside)))


def _join(cell: Cell) -> Cell:
    items = _items(cell)
    return cell if items is None else ",".join(text_of(item) for item in items if item is not None)


FUNCTIONS: dict[str, Callable[[Cell], Cell]] = {
    "upper": _on_text(str.upper),
    "lower": _on_text(str.lower),
    "trim": _on_text(str.strip),
    "unescape_html": _on_text(html.unescape),
    "empty_to_null": _empty_to_null,
    "epoch_seconds": _epoch(1_000_000),
    "epoch_millis": _epoch(1_000),
    "iso_duration_minutes": _iso_duration_minutes,
    "md5": _digest("md5"),
    "sha256": _digest("sha256"),
    "to_json": lambda cell: cell if isinstance(cell, Json) else Json(_json(cell)),
    "first": _end(0),
    "last": _end(-1),
    "length": _length,
    "join": _join,
}
