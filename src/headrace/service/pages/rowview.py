"""Rows of a table as cells of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from headrace.core.types import ColumnType
from headrace.inspect.rows import Row
from headrace.service.pages import words

NUMERIC = frozenset({"int", "bigint", "float", "decimal"})


@dataclass(frozen=True, slots=True)
class CellView:
    """One value; ``whole`` is what did not fit."""

    text: str
    null: bool = False
    numeric: bool = False
    whole: str = ""

    @property
    def cut(self) -> bool:
        return bool(self.whole)


@dataclass(frozen=True, slots=True)
class RowView:
    """``name`` tells the row apart for who does not see it; ``why`` leads to where it is from."""

    cells: Sequence[CellView]
    name: str = ""
    why: str = ""


def row_view(row: Row, columns: Mapping[str, ColumnType], path: str) -> RowView:
    """``path`` is the address that tells where a row is from."""
    cells = [_cell(value, kind) for value, kind in zip(row.values, columns.values(), strict=True)]
    return RowView(
        cells,
        words.short(", ".join(row.key), 80),
        f"{path}?{urlencode([('key', k) for k in row.key])}" if row.key else "",
    )


def _cell(value: object, kind: ColumnType) -> CellView:
    if value is None:
        return CellView("null", null=True)
    if kind == "bool":
        value = bool(value)
    text = words.text_of(value)
    shown = words.short(text)
    return CellView(shown, numeric=kind in NUMERIC, whole=words.short(text, 2_000) if shown != text else "")
