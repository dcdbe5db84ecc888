"""``row_count``: a table has about as many rows as it should."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from headrace.steps.checks._base import Check, Moment, Question, Schema, Verdict


class RowCount(Check):
    """The rows of a table, against fixed bounds and against the last complete run with the same inputs."""

    type: Literal["row_count"] = "row_count"
    table: str
    min: int | None = Field(None, ge=0)
    """At least so many; 1 where no bound is given."""
    max: int | None = Field(None, ge=0)
    max_drop: float | None = Field(None, ge=0, le=1)
    """At most this share fewer than after the last complete run (0.2: a fifth)."""
    max_rise: float | None = Field(None, ge=0)
    """At most this share more than after the last complete run."""

    @model_validator(mode="after")
    def _bounds(self) -> RowCount:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min} is more than max {self.max}")
        return self

    def ask(self, on: Schema) -> Question:
        return Question(f"SELECT count(*) AS n FROM {on.table(self.table)} t")

    def judge(self, value: Any, at: Moment) -> Verdict:
        count = int(value or 0)
        alone = (self.min, self.max, self.max_drop, self.max_rise) == (None, None, None, None)
        low: list[tuple[float, str]] = [(1 if alone else self.min or 0, "")]
        high: list[tuple[float, str]] = [] if self.max is None else [(self.max, "")]
        if at.before is not None:
            than = f" ({at.before:,.0f} after the last complete run)"
            if self.max_drop is not None:
                low.append((at.before * (1 - self.max_drop), than))
            if self.max_rise is not None:
                high.append((at.before * (1 + self.max_rise), than))
        bottom, why_low = max(low)
        top, why_high = min(high) if high else (float("inf"), "")
        rows = f"{self.table} has {count:,} rows"
        if count < bottom:
            return Verdict(False, count, bottom, f"{rows}, fewer than {bottom:,.6g}{why_low}")
        if count > top:
            return Verdict(False, count, top, f"{rows}, more than {top:,.6g}{why_high}")
        return Verdict(True, count, bottom)
