"""Numbers, times and values as people read them. Pure text: what shows it escapes it."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

LONGEST_CELL = 200
"""Characters of a value in a table of rows; the whole value is behind the row."""


def number(value: float | None) -> str:
    """``12345`` → ``12,345``; ``None`` → a dash."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 1000 else f"{value:,.1f}"


def counted(value: int, what: str, several: str = "") -> str:
    """``1 row``, ``2 rows``."""
    return f"{value:,} {what if value == 1 else several or what + 's'}"


def span(seconds: float | None) -> str:
    """A length of time in its two greatest units: ``340 ms``, ``4.2 s``, ``3 min 5 s``, ``2 h 10 min``, ``3 d 4 h``."""
    if seconds is None:
        return "–"
    if seconds < 0.9995:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, name, small, lesser in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // small
            return f"{whole // size:,} {name}" + (f" {rest} {lesser}" if rest else "")
    return f"{whole} s"


def ago(micros: int | None, now: int) -> str:
    """How long before ``now``, in one unit: ``just now``, ``5 min ago``, ``in 3 h``. Microseconds since 1970."""
    if not micros:
        return "never"
    seconds = (now - micros) / 1_000_000
    size = abs(seconds)
    if size < 5:
        return "just now"
    for unit, name in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        if size >= unit:
            text = f"{int(size // unit):,} {name}"
            return f"{text} ago" if seconds > 0 else f"in {text}"
    return "just now"


def moment(micros: int | None) -> str:
    """``2026-11-21 07:45:03 UTC``."""
    return f"{_utc(micros):%Y-%m-%d %H:%M:%S} UTC" if micros else "–"


def clock(micros: int | None) -> str:
    """``07:45:03`` (UTC)."""
    return f"{_utc(micros):%H:%M:%S}" if micros else "–"


def iso(micros: int | None) -> str:
    """What ``<time datetime>`` takes."""
    return f"{_utc(micros):%Y-%m-%dT%H:%M:%SZ}" if micros else ""


def size(count: int) -> str:
    """``812 B``, ``4.1 KB``, ``2.0 MB``."""
    if count < 1000:
        return f"{count} B"
    amount, unit = (count / 1000, "KB") if count < 999_950 else (count / 1_000_000, "MB")
    return f"{amount:,.1f} {unit}"


def percent(value: float | None) -> str:
    """``42 %``; never rounded up to 100."""
    return "" if value is None else f"{int(value) if value < 100 else 100} %"


def text_of(value: Any) -> str:
    """A value of a row as text, whole."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dt.datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=dt.UTC)
        return aware.astimezone(dt.UTC).isoformat(" ").replace("+00:00", "Z")
    if isinstance(value, bytes):
        return f"{size(len(value))} of bytes"
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def short(text: str, longest: int = LONGEST_CELL) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _utc(micros: int | None) -> dt.datetime:
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=micros or 0)
