"""``unique``: no two rows have the same values."""

from __future__ import annotations

from typing import ClassVar, Literal

from headrace.steps.checks._base import Counted, Question, Schema


class Unique(Counted):
    """Values, or combinations of values, that more than one row has; a null is like no other."""

    type: Literal["unique"] = "unique"
    table: str
    column: str | list[str]
    """One column, or several that are unique together."""

    looks_at: ClassVar[tuple[str, ...]] = ("column",)
    wrong: ClassVar[str] = "{n} values of {columns} occur more than once in {table}"

    def ask(self, on: Schema) -> Question:
        columns = [on.column(self.table, name) for name in self.columns]
        present = " AND ".join(f"{column} IS NOT NULL" for column in columns)
        named = ", ".join(f"{column} AS k{i}" for i, column in enumerate(columns))
        table = on.table(self.table)
        doubled = f"SELECT {named} FROM {table} t WHERE {present} GROUP BY {', '.join(columns)} HAVING count(*) > 1"
        match = " AND ".join(f"d.k{i} = {column}" for i, column in enumerate(columns))
        return Question(
            f"SELECT count(*) AS n FROM ({doubled}) d", f"SELECT t.* FROM {table} t JOIN ({doubled}) d ON {match}"
        )
