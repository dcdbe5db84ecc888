"""The high-water mark of an incremental crawl: found in records, kept in checkpoints, looked back from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from headrace.core.errors import AnswerError
from headrace.core.paths import MISSING, Path, get


def highest(records: bytes, path: Path, so_far: Any) -> Any:
    """The greatest value at ``path`` in a JSON array of records, and of ``so_far``; nulls do not count."""
    import msgspec

    best = so_far
    for record in msgspec.json.decode(records, type=list[Any]):
        value = get(record, path)
        if value is MISSING or value is None:
            continue
        try:
            if best is None or value > best:
                best = value
        except TypeError:
            raise AnswerError(
                f"incremental.cursor_path {path} gives {value!r} after {best!r}: values of two kinds have no order",
                hint="point cursor_path at a field that is always a number or always an ISO date",
            ) from None
    return best


def look_back(mark: Any, seconds: int) -> Any:
    """``mark`` moved back: numbers are epoch seconds, text is an ISO 8601 date or date and time."""
    if not seconds or mark is None:
        return mark
    if isinstance(mark, int | float):
        return mark - seconds
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
