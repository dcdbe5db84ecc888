"""The base of every quality check: what is asked of the database, and what is made of the answer."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import Field

from headrace.core.errors import InputError
from headrace.core.kinds import Kind
from headrace.core.suggest import did_you_mean
from headrace.core.templates import Lookup
from headrace.core.types import ColumnType


@dataclass(frozen=True, slots=True)
class Schema:
    """The names and types of a destination, as checks need them to write SQL."""

    fold: Callable[[str], str]
    columns: Callable[[str], Mapping[str, ColumnType]]
    """The columns of a table that Headrace made; empty for any other."""
    lookup: Lookup
    translate: Callable[[str, str], str]
    """A SELECT in the dialect that is named as the destination's, with every value in it. Raises UsageError."""

    def table(self, name: str) -> str:
        """Quoted, as the destination folds it."""
        return _quote(self.fold(name))

    def type(self, table: str, column: str) -> ColumnType | None:
        """``None`` where the type is not known. Raises InputError for a column that the table does not have."""
        known = self.columns(self.fold(table))
        folded = self.fold(column)
        if known and folded not in known and not folded.startswith("_"):
            raise InputError(
                f"table {table} has no column {column!r}{did_you_mean(folded, list(known))}",
                hint=f"it has: {', '.join(known)}",
            )
        return known.get(folded)

    def column(self, table: str, name: str, alias: str = "t") -> str:
        """The column of ``alias`` in a form that can be compared: JSON is compared as its text."""
        quoted = f"{alias}.{_quote(self.fold(name))}"
        return f"CAST({quoted} AS VARCHAR)" if self.type(table, name) == "json" else quoted


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@dataclass(frozen=True, slots=True)
class Question:
    """``sql`` gives the value that is judged, in the first column of its first row; ``rows`` the failing rows."""

    sql: str
    rows: str = ""
    params: Sequence[Any] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """``message`` says what is wrong, where something is."""

    passed: bool
    result: float | None
    threshold: float | None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Moment:
    """When a check is judged: ``now`` in microseconds since 1970, and its result in the last complete run."""

    now: int
    before: float | None
    hidden: bool = False
    """What is checked is marked ``sensitive``: no value of it may be shown."""


class Check(Kind):
    """One question about a table."""

    name: str = ""
    """What results and messages call it; by default made of the type, the table and the columns."""
    severity: Literal["warn", "fail"] = "fail"
    """``fail`` fails the run; ``warn`` is said and stored."""
    table: str = ""
    """The table or view."""

    looks_at: ClassVar[tuple[str, ...]] = ()
    """The fields that name the checked columns."""

    @property
    def columns(self) -> list[str]:
        """The columns that are checked."""
        named = [getattr(self, name) for name in self.looks_at]
        return [column for value in named for column in ([value] if isinstance(value, str) else value)]

    @property
    def label(self) -> str:
        kind = str(getattr(self, "type", ""))
        return self.name or "_".join([kind, *filter(None, [self.table]), *self.columns])

    @abstractmethod
    def ask(self, on: Schema) -> Question:
        """Raises InputError for a column that is not there."""

    @abstractmethod
    def judge(self, value: Any, at: Moment) -> Verdict: ...


class Counted(Check):
    """A check that counts what is wrong."""

    max_failing: int = Field(0, ge=0)
    """So many are let pass."""

    wrong: ClassVar[str] = ""
    """What is counted, as a sentence about ``{table}`` and ``{columns}``."""

    def judge(self, value: Any, at: Moment) -> Verdict:
        count = int(value or 0)
        passed = count <= self.max_failing
        said = self.wrong.format(table=self.table, columns=", ".join(self.columns), n=f"{count:,}")
        allowed = f" ({self.max_failing:,} are let pass)" if self.max_failing else ""
        return Verdict(passed, count, self.max_failing, "" if passed else said + allowed)


def where(on: Schema, table: str, condition: str, params: Sequence[Any] = ()) -> Question:
    """The rows ``t`` of ``table`` for which ``condition`` holds."""
    source = f"FROM {on.table(table)} t WHERE {condition}"
    return Question(f"SELECT count(*) AS n {source}", f"SELECT t.* {source}", params)
