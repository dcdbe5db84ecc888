"""Moments and spans as people read them."""

from __future__ import annotations

import re
import time

from headrace.core.clock import as_datetime
from headrace.core.errors import UsageError

_UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def utc(micros: int | None) -> str:
    """Microseconds since 1970 as ``2026-01-31 12:00:00 UTC``; nothing for none."""
    if not micros:
        return ""
    return as_datetime(micros).strftime("%Y-%m-%d %H:%M:%S UTC")


def ago(micros: int) -> str:
    """``3 min ago``."""
    return f"{span(max(0.0, time.time() - micros / 1_000_000))} ago"


def span(seconds: float) -> str:
    """``42 s``, ``3 min``, ``2 h 5 min``, ``4 d``."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    if seconds < 86_400:
        return f"{seconds // 3600:.0f} h {seconds % 3600 // 60:.0f} min"
    return f"{seconds / 86_400:.0f} d"


def seconds_of(text: str, option: str) -> int:
    """``30d`` in seconds. Raises UsageError."""
    match = re.fullmatch(r"(\d+)([mhdw])", text.strip())
    if match is None:
        raise UsageError(f"{option} {text!r} is not a length of time", hint="write a number and m, h, d or w: 12h, 30d")
    return int(match[1]) * _UNITS[match[2]]
