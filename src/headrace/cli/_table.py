"""Small tables of text."""

from __future__ import annotations

import shutil
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

WIDEST = 60
"""A cell is cut here, unless the terminal has more room."""
EMPTY = "NULL"


def terminal_width() -> int:
    """Columns of the terminal; 0 where stdout is none, and lines may be as long as they like."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 0


def table(names: Sequence[str], rows: Sequence[Sequence[Any]], *, width: int = 0, indent: str = "") -> Iterator[str]:
    """Lines of a table: numbers to the right, cells cut to fit ``width`` (0: no bound but :data:`WIDEST`).
    Columns that do not fit even then are left out, and counted at the end of the header."""
    texts = [[cell(value) for value in row] for row in rows]
    right = [_numeric([row[i] for row in rows]) for i in range(len(names))]
    widths = [
        min(max([measure(cell(name)), *(measure(row[i]) for row in texts)]), WIDEST) for i, name in enumerate(names)
    ]
    shown = len(names)
    if width:
        room = width - len(indent)
        widest = WIDEST
        while sum(widths) + 2 * (len(widths) - 1) > room and widest > 12:
            widest -= 4
            widths = [min(each, widest) for each in widths]
        while shown > 1 and sum(widths[:shown]) + 2 * (shown - 1) > room - (12 if shown < len(names) else 0):
            shown -= 1
        widths = [min(each, max(room, 8)) for each in widths]
    left_out = f"  (+{len(names) - shown} more)" if shown < len(names) else ""

    def line(cells: Sequence[str]) -> str:
        return indent + "  ".join(fit(c, w, right=r) for c, w, r in zip(cells, widths[:shown], right, strict=False))

    yield line([cell(name) for name in names]).rstrip() + left_out
    yield indent + "  ".join("-" * w for w in widths[:shown])
    for row in texts:
        yield line(row).rstrip()


def cell(value: Any) -> str:
    """A value on one line, without anything that a terminal would obey."""
    if value is None:
        return EMPTY
    if isinstance(value, bytes):
        text = value[:64].hex() + ("…" if len(value) > 64 else "")
    elif value is True or value is False:
        text = str(value).lower()
    elif hasattr(value, "isoformat"):
        text = moment(value)
    else:
        text = str(value)
    return printable(text)


def moment(value: Any) -> str:
    """A date, or a time as ``2026-01-31 12:00:00 UTC``."""
    text = (
        str(value.isoformat(sep=" ")) if hasattr(value, "hour") and hasattr(value, "year") else str(value.isoformat())
    )
    return text.removesuffix("+00:00") + (" UTC" if text.endswith("+00:00") else "")


def printable(text: str) -> str:
    """``text`` with control characters written out."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def measure(text: str) -> int:
    """The columns that ``text`` takes."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def fit(text: str, width: int, *, right: bool = False) -> str:
    """``text`` in exactly ``width`` columns."""
    taken = measure(text)
    if taken > width:
        kept = ""
        used = 0
        for c in text:
            used += measure(c)
            if used > width - 1:
                break
            kept += c
        text = kept + "…"
        taken = measure(text)
    return " " * (width - taken) + text if right else text + " " * (width - taken)


def _numeric(values: Sequence[Any]) -> bool:
    present = [value for value in values if value is not None]
    return bool(present) and all(
        (isinstance(v, int | float) and not isinstance(v, bool)) or type(v).__name__ == "Decimal" for v in present
    )
