"""``freshness``: the newest row is not too old."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any, ClassVar, Literal

from pydantic import Field

from headrace.core.errors import InputError
from headrace.steps.checks._base import Check, Moment, Question, Schema, Verdict

_UNIT = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_MILLISECONDS_FROM = 100_000_000_000


class Freshness(Check):
    """The age of the greatest value of a column, in seconds; a table without one is not fresh."""

    type: Literal["freshness"] = "freshness"
    table: str
    column: str
    """A timestamp or date, ISO 8601 text, or epoch seconds or milliseconds; without an offset it is UTC."""
    max_age: str = Field(pattern=r"^\d+[smhdw]$")
    """A number and s, m, h, d or w."""

    looks_at: ClassVar[tuple[str, ...]] = ("column",)

    def ask(self, on: Schema) -> Question:
        return Question(f"SELECT max({on.column(self.table, self.column)}) AS newest FROM {on.table(self.table)} t")

    def judge(self, value: Any, at: Moment) -> Verdict:
        allowed = int(self.max_age[:-1]) * _UNIT[self.max_age[-1]]
        if value is None:
            return Verdict(False, None, allowed, f"{self.table} has no row with a {self.column}")
        moment = self._moment(value)
        age = at.now / 1_000_000 - moment.timestamp()
        newest = "" if at.hidden else f" is {moment:%Y-%m-%dT%H:%M:%SZ},"
        message = f"the newest {self.column} of {self.table}{newest} {_spelled(age)} old, more than {self.max_age}"
        return Verdict(age <= allowed, round(age, 3), allowed, "" if age <= allowed else message)

    def _moment(self, value: Any) -> datetime:
        try:
            if isinstance(value, str):
                value = float(value) if value.replace(".", "", 1).isdigit() else datetime.fromisoformat(value)
            if isinstance(value, int | float):
                return datetime.fromtimestamp(value / 1000 if abs(value) >= _MILLISECONDS_FROM else value, UTC)
            if not isinstance(value, datetime) and isinstance(value, date):
                value = datetime(value.year, value.month, value.day)
            found: datetime = value if value.tzinfo else value.replace(tzinfo=UTC)
            return found.astimezone(UTC)
        except (ValueError, AttributeError, OverflowError, OSError):
            raise InputError(
                f"{self.column} of {self.table} holds no time", hint="name a column of type timestamp"
            ) from None


def _spelled(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86400:.1f} d"
