"""Which elements of a page are rows of a table: those that are there and that its conditions let pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from headrace.core.paths import Path
from headrace.mapping.cells import Cell, Num, from_text
from headrace.mapping.plan import ColumnPlan, TablePlan
from headrace.mapping.slow import Page
from headrace.mapping.tree import Places, Source
from headrace.mapping.vectors import Refused, Vectors
from headrace.mapping.walk import Node, follow

_MEMO_BYTES = 64
"""Raw values up to this size are remembered."""


@dataclass(frozen=True, slots=True)
class TableSources:
    """Where the columns and conditions of one table are read."""

    places: Places
    columns: tuple[tuple[ColumnPlan, tuple[Source, ...]], ...]
    where: tuple[Source, ...]
    fields: tuple[tuple[ColumnPlan, tuple[Source, ...]], ...] = ()
    """Open-ended tables: the fields that are columns by now."""


class Rows:
    """Which elements of which level are rows."""

    def __init__(self, vectors: Vectors, places: Places, rows: list[int] | None) -> None:
        self.vectors, self.places = vectors, places
        top = len(places.anchors) - 1
        count = len(vectors.values(places.element))
        self.count = count if rows is None else len(rows)
        self._index: dict[int, list[int] | None] = {top: rows}
        at: Sequence[int] = range(count) if rows is None else rows
        for level in range(top, 0, -1):
            container = places.anchors[level].parent
            assert container is not None
            parents = vectors.spread(container).parents
            at = [parents[i] for i in at]
            self._index[level - 1] = at
        self.records: list[int] = list(at)
        self._unique: dict[int, tuple[list[int], list[int]]] = {}

    def index(self, level: int) -> list[int] | None:
        """The element of ``level`` that each row belongs to; ``None``: row i is element i."""
        return self._index[level]

    def unique(self, level: int) -> tuple[list[int], list[int]]:
        """The elements of a level above the rows' own that have rows, and which of them each row has."""
        found = self._unique.get(level)
        if found is None:
            used: list[int] = []
            place: list[int] = []
            for element in self._index[level] or ():
                if not used or used[-1] != element:
                    used.append(element)
                place.append(len(used) - 1)
            found = self._unique[level] = (used, place)
        return found


def present(plan: TablePlan, sources: TableSources, vectors: Vectors) -> list[int] | None:
    """The elements that are rows: null ones are not, and those of a shape that no path enters are refused."""
    spot = sources.places.element
    values = vectors.values(spot)
    raw = spot.mode == "raw"
    absent = [i for i, value in enumerate(values) if value is None or (raw and value in (b"", b"null"))]
    if plan.each is None:
        strange = [] if plan.takes_scalars else absent
        rows = None
    else:
        strange = []
        gone = set(absent)
        rows = [i for i in range(len(values)) if i not in gone] if gone else None
    if not plan.takes_scalars:
        if raw:
            allowed = (b"{", b"[") if plan.takes_lists else (b"{",)
            kept = range(len(values)) if rows is None else rows
            strange = strange + [i for i in kept if values[i][:1] not in allowed]
        elif spot.mode not in ("struct", "none"):
            strange = [i for i in range(len(values)) if values[i] is not None]
    if strange:
        raise Refused([vectors.record(spot, i) for i in strange])
    return rows


def matching(rows: Rows, sources: TableSources, page: Page) -> Rows:
    """Those of ``rows`` that pass every condition; a small value is tested once, however often it comes."""
    kept = list(range(rows.count))
    for source, (path, test) in zip(sources.where, page.tests, strict=True):
        index = rows.index(source.level)
        values = rows.vectors.values(source.spot)
        mode = source.spot.mode
        memo: dict[Any, bool] = {}
        passed = []
        for row in kept:
            value = values[row if index is None else index[row]]
            small = mode != "raw" or len(value) <= _MEMO_BYTES
            verdict = memo.get(value) if small else None
            if verdict is None:
                verdict = test(_found(value, mode, source, path))
                if small:
                    memo[value] = verdict
            if verdict:
                passed.append(row)
        kept = passed
    index = rows.index(len(rows.places.anchors) - 1)
    return Rows(rows.vectors, rows.places, kept if index is None else [index[row] for row in kept])


def _found(value: Any, mode: str, source: Source, path: Path) -> list[Cell]:
    if mode == "raw" and source.rest:
        return [node.cell() for node in follow(Node(value), source.rest)] if value else []
    if value is None or value == b"":
        return []
    return [cell_of(value, mode)]


def cell_of(value: Any, mode: str) -> Cell:
    """A decoded value as the reference reads it; ``mode`` is how it was decoded."""
    if mode == "raw":
        return from_text(value) if value else None
    if mode == "int" and value is not None:
        return Num(str(value))
    cell: Cell = value
    return cell
