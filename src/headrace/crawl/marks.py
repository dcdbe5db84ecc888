"""The high-water mark of an incremental crawl: found in records, kept in checkpoints, looked back from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from headrace.core.errors import AnswerError
from headrace.core.paths import MISSING, Path, get

_MILLISECONDS_FROM = 100_000_000_000


def highest(records: bytes, path: Path, so_far: Any) -> Any:
    """The greatest value at ``path`` in a JSON array of records, and of ``so_far``; nulls do not count."""
    import msgspec

    best = so_far
    for record in msgspec.json.decode(records, type=list[Any]):
        value = get(record, path)
        if value is not MISSING:
            best = later(best, value, path)
    return best


def later(one: Any, other: Any, path: Path | str = "") -> Any:
    """The greater of two marks; one that is ``None`` gives way. Raises AnswerError for values of two kinds."""
    if one is None or other is None:
        return one if other is None else other
    try:
        return other if other > one else one
    except TypeError:
        raise AnswerError(
            f"incremental.cursor_path {path} gives {other!r} after {one!r}: values of two kinds have no order",
            hint="point cursor_path at a field that is always a number or always an ISO date",
        ) from None


def look_back(mark: Any, seconds: int) -> Any:
    """``mark`` moved back: numbers are epoch seconds or milliseconds, text is an ISO 8601 date or date and time."""
    if not seconds or mark is None:
        return mark
    if isinstance(mark, int | float):
        return mark - (seconds * 1000 if abs(mark) >= _MILLISECONDS_FROM else seconds)
    try:
        moment = datetime.fromisoformat(str(mark))
    except ValueError:
        raise AnswerError(
            f"incremental.lookback cannot be taken from the mark {mark!r}: it is neither a number nor an ISO 8601 date",
            hint="remove lookback, or point cursor_path at a date",
        ) from None
    earlier = moment - timedelta(seconds=seconds)
    if len(str(mark)) == 10:
        return earlier.date().isoformat()
    text = earlier.isoformat()
    return text.replace("+00:00", "Z") if earlier.tzinfo is UTC or str(mark).endswith("Z") else text


def in_form_of(mark: Any, text: str, unix: int) -> Any:
    """A moment (as a slice gives it: ISO text, and epoch seconds) written as ``mark`` is: epoch seconds or
    milliseconds, a date, or a date and time; the text itself where there is no mark yet."""
    if isinstance(mark, int | float):
        return unix * 1000 if mark >= _MILLISECONDS_FROM else unix
    if isinstance(mark, str) and "T" in mark and len(text) == 10:
        return f"{text}T00:00:00Z"
    return text
