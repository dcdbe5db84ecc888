"""Cron expressions in a time zone: whether they make sense, and when they are due."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING

from headrace.core.suggest import did_you_mean

if TYPE_CHECKING:
    from cronsim import CronSim

_FIELDS = ("minute", "hour", "day of month", "month", "day of week")
_TAKES = {
    "minute": "0-59",
    "hour": "0-23",
    "day of month": "1-31, L for the last one",
    "month": "1-12, JAN-DEC",
    "day of week": "0-7 (0 and 7 are Sunday), SUN-SAT, 5L for the last Friday, 1#2 for the second Monday",
}


def check_cron(expression: str) -> str:
    """``expression``, five fields apart by one space. Raises ValueError that names the field and what it takes."""
    from cronsim import CronSim, CronSimError

    fields = expression.split()
    if len(fields) != len(_FIELDS):
        raise ValueError(f"{expression!r} has to be five fields, such as 0 6 * * *")
    for number, name in enumerate(_FIELDS):
        alone = ["*"] * len(_FIELDS)
        alone[number] = fields[number]
        try:
            CronSim(" ".join(alone), _SOME_DAY)
        except (CronSimError, ValueError):
            raise ValueError(
                f"{fields[number]!r} is no {name}: it takes {_TAKES[name]}, *, lists, ranges and /steps"
            ) from None
    try:
        next(CronSim(" ".join(fields), _SOME_DAY))
    except (CronSimError, StopIteration):
        raise ValueError(f"{expression!r} never comes: no month of it has such a day") from None
    return " ".join(fields)


def check_timezone(name: str) -> str:
    """``name``. Raises ValueError when the time zone database has no such zone."""
    from zoneinfo import ZoneInfo, available_timezones

    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        zones = sorted(available_timezones())
        close = did_you_mean(name, zones) or did_you_mean(name.title(), zones)
        raise ValueError(f"there is no time zone {name!r}{close or ': such as Europe/Berlin or UTC'}") from None
    return name


def due_after(expression: str, timezone: str, after: datetime) -> Iterator[datetime]:
    """The moments, in UTC, at which ``expression`` is due in ``timezone`` later than ``after``; endless.

    Where clocks are set forward, what fell into the hour that is skipped is due at its end; where they are set back, the
    hour that comes twice counts once. Expressions whose minute or hour begins with ``*`` follow the time that passes.
    """
    from zoneinfo import ZoneInfo

    from cronsim import CronSim

    zone: tzinfo = UTC if timezone == "UTC" else ZoneInfo(timezone)
    last = after.astimezone(UTC)
    found: CronSim = CronSim(expression, after.astimezone(zone))
    for local in found:
        # Within the hour that comes twice, the library may give the moment of its first coming again.
        if (at := local.astimezone(UTC)) > last:
            last = at
            yield at


_SOME_DAY = datetime(2024, 1, 1, tzinfo=UTC)
