"""``not_null``: every row has a value."""

from __future__ import annotations

from typing import ClassVar, Literal

from headrace.steps.checks._base import Counted, Question, Schema, where


class NotNull(Counted):
    """Rows in which one of the columns is null."""

    type: Literal["not_null"] = "not_null"
    table: str
    column: str | list[str]
    """One column or several."""

    looks_at: ClassVar[tuple[str, ...]] = ("column",)
    wrong: ClassVar[str] = "{n} rows of {table} have no {columns}"

    def ask(self, on: Schema) -> Question:
        return where(on, self.table, " OR ".join(f"{on.column(self.table, name)} IS NULL" for name in self.columns))
