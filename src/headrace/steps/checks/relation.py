"""``relation``: what a column names is there in another table."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import model_validator

from headrace.core.model import Model
from headrace.core.types import ColumnType
from headrace.steps.checks._base import Counted, Question, Schema, where

_NUMBERS = ("int", "bigint", "float", "decimal")


class Target(Model):
    """What is referred to."""

    table: str
    column: str | list[str]


class Relation(Counted):
    """Rows whose column refers to a row that the other table does not have (a foreign key); null is let pass."""

    type: Literal["relation"] = "relation"
    table: str
    column: str | list[str]
    """One column, or several that refer together."""
    to: Target

    looks_at: ClassVar[tuple[str, ...]] = ("column",)
    wrong: ClassVar[str] = "{n} rows of {table} refer by {columns} to what is not there"

    @model_validator(mode="after")
    def _pairs(self) -> Relation:
        if len(self.columns) != len(self._others):
            raise ValueError(f"column names {len(self.columns)} columns and to.column {len(self._others)}")
        return self

    @property
    def _others(self) -> list[str]:
        return [self.to.column] if isinstance(self.to.column, str) else self.to.column

    def ask(self, on: Schema) -> Question:
        present: list[str] = []
        pairs: list[str] = []
        for mine, theirs in zip(self.columns, self._others, strict=True):
            left, right = on.column(self.table, mine), on.column(self.to.table, theirs, "o")
            present.append(f"{left} IS NOT NULL")
            if not _alike(on.type(self.table, mine), on.type(self.to.table, theirs)):
                left, right = f"CAST({left} AS VARCHAR)", f"CAST({right} AS VARCHAR)"
            pairs.append(f"{right} = {left}")
        missing = f"NOT EXISTS (SELECT 1 FROM {on.table(self.to.table)} o WHERE {' AND '.join(pairs)})"
        return where(on, self.table, f"{' AND '.join(present)} AND {missing}")


def _alike(one: ColumnType | None, other: ColumnType | None) -> bool:
    return one is None or other is None or one == other or (one in _NUMBERS and other in _NUMBERS)
