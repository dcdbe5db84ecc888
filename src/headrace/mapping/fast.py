"""One table's rows column by column, from a page decoded into Structs. Gives what ``slow.read`` gives, or refuses."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from headrace.core.contracts import Limits
from headrace.core.paths import Star
from headrace.core.types import ColumnType, widen
from headrace.mapping.arrow import ARROW, array_of, pc, repeated
from headrace.mapping.cells import Cell, Json, Num, Unfit, plain
from headrace.mapping.coerce import stored, type_of
from headrace.mapping.direct import Column, Values, direct
from headrace.mapping.elements import Rows, TableSources, cell_of, matching, present
from headrace.mapping.plan import ColumnPlan, TablePlan, TableState
from headrace.mapping.rows import Columns
from headrace.mapping.slow import Page
from headrace.mapping.tree import Source
from headrace.mapping.vectors import Refused, Vectors
from headrace.mapping.walk import Node, follow

_SUSPECT = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])"  # a high surrogate alone
    rb"|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F]"  # a low one alone
    rb"|\\\\u"  # a backslash before a u, which the two above could mistake
)


def suspicious(text: bytes, limits: Limits) -> bool:
    """Whether the text may hold what only the reference can judge: lone surrogates, NUL."""
    if b"\\" not in text:  # the cheapest look, and mostly enough
        return False
    return (b"\\u" in text and _SUSPECT.search(text) is not None) or (not limits.nul and b"\\u0000" in text)


def read(plan: TablePlan, state: TableState, sources: TableSources, vectors: Vectors, page: Page) -> Columns:
    """The rows of the page. Raises :class:`Refused` with the records that need the reference."""
    if plan.spec.open_ended:
        vectors.objects(sources.places.element)  # refuses unknown fields even where no known one is read
    rows = Rows(vectors, sources.places, present(plan, sources, vectors))
    if sources.where:
        rows = matching(rows, sources, page)
    made: dict[str, Column] = {}
    for column, origins in (*sources.columns, *sources.fields):
        made[column.name] = _column(column, origins, state.types[column.name], rows, page)
    arrays = {
        name: made[name].array if name in made else pa.nulls(rows.count, ARROW[kind])
        for name, kind in state.types.items()
    }

    def values(name: str) -> Values:
        return made[name].plain() if name in made else [None] * rows.count

    return Columns(arrays, rows.records, values)


def _column(column: ColumnPlan, origins: Sequence[Source], kind: ColumnType, rows: Rows, page: Page) -> Column:
    if column.constant:
        cell = page.constants[column.name] if rows.count else None
        if cell is not None and widen(kind, type_of(cell, column.declared)) != kind:
            raise Refused(rows.records)
        return Column(repeated(cell, kind, rows.count), lambda: [plain(cell)] * rows.count)
    own = len(rows.places.anchors) - 1
    level = own if column.key is not None else max((source.level for source in origins), default=own)
    shared = level < own
    used: list[int] = []
    places: list[int] = []
    if shared:
        used, places = rows.unique(level)
        if any(source.level != level for source in origins):
            level, shared = own, False
    picked = used if shared else rows.index(level)
    vectors: list[Values] = []
    modes: list[str] = []
    if column.key is not None:
        container = rows.places.anchors[column.key].parent
        assert container is not None
        keys = rows.vectors.spread(container).keys
        at = rows.index(column.key)
        vectors.append(keys if at is None else [keys[i] for i in at])
        modes.append("key")
    for source in origins:
        values = rows.vectors.values(source.spot)
        at = picked if source.level == level else rows.index(source.level)
        vectors.append(values if at is None else [values[i] for i in at])
        modes.append(source.spot.mode)

    def record(i: int) -> int:
        if not shared:
            return rows.records[i]
        anchor = rows.places.anchors[level]
        return rows.vectors.record(anchor, used[i])

    made = direct(column, origins, kind, vectors, modes, page.limits)
    if made is None:
        made = _by_cell(column, origins, kind, vectors, modes, page.limits, record)
    if shared:
        inner = made

        def spread() -> Values:
            values = inner.plain()
            return [values[i] for i in places]

        return Column(pc.take(inner.array, pa.array(places, pa.int64())), spread)
    return made


def _by_cell(
    column: ColumnPlan, origins: Sequence[Source], kind: ColumnType, vectors: list[Values], modes: list[str],
    limits: Limits, record: Callable[[int], int],
) -> Column:  # fmt: skip
    """Value by value as the reference does it; each distinct value once."""
    readers = [_reader(column, origins[i] if origins else None, mode) for i, mode in enumerate(modes)]
    values = vectors[0] if len(vectors) == 1 else list(zip(*vectors, strict=True))
    made: dict[Any, Cell] = {}
    bad: set[Any] = set()
    for value in set(values):
        cell: Cell = None
        try:
            for part, reader in zip((value,) if len(vectors) == 1 else value, readers, strict=True):
                cell = reader(part)
                if cell is not None:
                    break
            made[value] = cell = column.complete(cell, limits)
        except Unfit:
            bad.add(value)
        else:
            if cell is not None and widen(kind, type_of(cell, column.declared)) != kind:
                bad.add(value)
    if bad:
        raise Refused([record(at) for at, value in enumerate(values) if value in bad])
    ready = {value: stored(cell, kind) for value, cell in made.items()}
    return Column(
        array_of(list(map(ready.__getitem__, values)), kind), lambda: [plain(made[value]) for value in values]
    )


def _reader(column: ColumnPlan, source: Source | None, mode: str) -> Callable[[Any], Cell]:
    exact = column.declared == "json" and not column.functions
    if mode == "key":
        return lambda value: value if isinstance(value, str) else Num(str(value))
    if source is not None and source.rest:
        rest = source.rest
        listed = any(isinstance(segment, Star) for segment in rest)

        def below(value: bytes | None) -> Cell:
            found = follow(Node(value), rest) if value else iter(())
            if listed:
                return Json("[" + ",".join(node.raw.decode() for node in found) + "]")
            node = next(found, None)
            if node is None or node.is_null:
                return None
            return Json(node.raw.decode()) if exact else node.cell()

        return below
    if exact and mode == "raw":
        return lambda value: None if value in (b"", b"null") else Json(value.decode())
    return lambda value: cell_of(value, mode)
