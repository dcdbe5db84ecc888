"""``sql``: whatever else can be asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field, model_validator

from headrace.core.errors import InputError
from headrace.sql.library import Dialect
from headrace.steps.checks._base import Check, Moment, Question, Schema, Verdict


class Sql(Check):
    """A query of the destination: each of its rows is one that fails, or, with ``min`` or ``max``, it gives one
    number. ``{variables}`` are bound as values."""

    type: Literal["sql"] = "sql"
    name: str
    """What results and messages call it."""
    sql: str
    """One SELECT statement."""
    dialect: Dialect | None = None
    """What it is written in; by default that of the destination."""
    max_failing: int = Field(0, ge=0)
    """So many rows are let pass."""
    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Sql:
        if self._gives_a_number and self.max_failing:
            raise ValueError("max_failing counts rows: it does not go with min and max")
        return self

    @property
    def _gives_a_number(self) -> bool:
        return self.min is not None or self.max is not None

    def ask(self, on: Schema) -> Question:
        from headrace.steps.generic._plan import bind

        params: Sequence[Any] = ()
        if self.dialect is not None:
            text = on.translate(self.sql, self.dialect)
        else:
            text, params = bind(self.sql.strip().rstrip(";"), on.lookup)
        if self._gives_a_number:
            return Question(text, params=params)
        return Question(f"SELECT count(*) AS n FROM ({text}\n) q", f"SELECT q.* FROM ({text}\n) q", params)

    def judge(self, value: Any, at: Moment) -> Verdict:
        if not self._gives_a_number:
            count = int(value or 0)
            passed = count <= self.max_failing
            return Verdict(passed, count, self.max_failing, "" if passed else f"the query finds {count:,} rows")
        if value is None:
            return Verdict(False, None, self.max if self.min is None else self.min, "the query gives nothing")
        try:
            found = float(value)
        except (TypeError, ValueError):
            raise InputError("the query gives no number", hint="select one number, or leave out min and max") from None
        if found != found:  # NaN is neither less nor more than anything
            return Verdict(False, None, self.max if self.min is None else self.min, "the query gives no number: NaN")
        if self.min is not None and found < self.min:
            return Verdict(False, found, self.min, f"the query gives {found:,.6g}, less than {self.min:,.6g}")
        if self.max is not None and found > self.max:
            return Verdict(False, found, self.max, f"the query gives {found:,.6g}, more than {self.max:,.6g}")
        return Verdict(True, found, self.max if self.min is None else self.min)
