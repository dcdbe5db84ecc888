"""``accepted_values``: a column holds nothing but what is listed."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from headrace.core.errors import InputError
from headrace.core.templates import as_text
from headrace.steps.checks._base import Counted, Question, Schema, where

Value = bool | int | float | str
_NUMBERS = ("int", "bigint", "float", "decimal")


class AcceptedValues(Counted):
    """Rows whose column has another value than those listed; null is let pass."""

    type: Literal["accepted_values"] = "accepted_values"
    table: str
    column: str
    values: list[Value] = Field(min_length=1)

    looks_at: ClassVar[tuple[str, ...]] = ("column",)
    wrong: ClassVar[str] = "{n} rows of {table} have another {columns} than the values accepted"

    def ask(self, on: Schema) -> Question:
        column, type = on.column(self.table, self.column), on.type(self.table, self.column)
        values: list[Any] = list(self.values)
        if type == "bool":
            self._only(type, [v for v in values if not isinstance(v, bool)])
        elif type in _NUMBERS:
            self._only(type, [v for v in values if isinstance(v, bool | str)])
        elif type == "timestamp":
            self._only(type, values)
        elif type is not None:
            values = [as_text(value) for value in values]
            column = f"CAST({column} AS VARCHAR)" if type == "date" else column
        marks = ", ".join("?" * len(values))
        return where(on, self.table, f"{column} IS NOT NULL AND {column} NOT IN ({marks})", values)

    def _only(self, type: str, unfit: list[Any]) -> None:
        if unfit:
            raise InputError(
                f"{self.column} of {self.table} is of type {type}, which {unfit[0]!r} is not",
                hint="list values of that type, or ask with a check of type sql",
            )
