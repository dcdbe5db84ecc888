"""One table's rows column by column, from a page decoded into Structs. Gives what ``slow.read`` gives, or refuses."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from headrace.core.contracts import Limits
from headrace.core.paths import Path, Star
from headrace.core.types import ColumnType, widen
from headrace.mapping.arrow import ARROW, TIMESTAMP, array_of, pc, repeated
from headrace.mapping.cells import Cell, Json, Num, Unfit, from_text, iso_of, plain
from headrace.mapping.coerce import EXACT_IN_FLOAT, stored, type_of
from headrace.mapping.functions import FUNCTIONS
from headrace.mapping.plan import ColumnPlan, TablePlan, TableState
from headrace.mapping.rows import Columns
from headrace.mapping.slow import Page
from headrace.mapping.tree import Places, Source
from headrace.mapping.vectors import Refused, Vectors
from headrace.mapping.walk import Node, follow

_SUSPECT = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])"  # a high surrogate alone
    rb"|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F]"  # a low one alone
    rb"|\\\\u"  # a backslash before a u, which the two above could mistake
)
_FEW_DIGITS = 15  # a double gives back every decimal of so many digits
_MEMO_BYTES = 64

_PLAIN_NUMBER: dict[str, str] = {
    "int": r"^-?(0|[1-9][0-9]{0,14})$",
    "decimal": r"^-?(0|[1-9][0-9]{0,28})(\.[0-9]{1,9})?$",
    "float": r"^-?(0|[1-9][0-9]{0,7})(\.[0-9]{1,7})?$",
}
_EPOCHS = {(FUNCTIONS["epoch_seconds"],): 1_000_000, (FUNCTIONS["epoch_millis"],): 1_000}

Values = Sequence[Any]


def suspicious(text: bytes, limits: Limits) -> bool:
    """Whether the text may hold what only the reference can judge: lone surrogates, NUL."""
    if b"\\" not in text:  # the cheapest look, and mostly enough
        return False
    return (b"\\u" in text and _SUSPECT.search(text) is not None) or (not limits.nul and b"\\u0000" in text)


@dataclass(frozen=True, slots=True)
class TableSources:
    """Where the columns and conditions of one table are read."""

    places: Places
    columns: tuple[tuple[ColumnPlan, tuple[Source, ...]], ...]
    where: tuple[Source, ...]
    fields: tuple[tuple[ColumnPlan, tuple[Source, ...]], ...] = ()
    """Open-ended tables: the fields that are columns by now."""


class _Rows:
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


@dataclass
class _Column:
    array: pa.Array[Any]
    plain: Callable[[], Values]


def read(plan: TablePlan, state: TableState, sources: TableSources, vectors: Vectors, page: Page) -> Columns:
    """The rows of the page. Raises :class:`Refused` with the records that need the reference."""
    if plan.spec.open_ended:
        vectors.objects(sources.places.element)  # refuses unknown fields even where no known one is read
    rows = _Rows(vectors, sources.places, _present(plan, sources, vectors))
    if sources.where:
        rows = _matching(rows, sources, page)
    made: dict[str, _Column] = {}
    for column, origins in (*sources.columns, *sources.fields):
        made[column.name] = _column(column, origins, state.types[column.name], rows, page)
    arrays = {
        name: made[name].array if name in made else pa.nulls(rows.count, ARROW[kind])
        for name, kind in state.types.items()
    }

    def values(name: str) -> Values:
        return made[name].plain() if name in made else [None] * rows.count

    return Columns(arrays, rows.records, values)


def _present(plan: TablePlan, sources: TableSources, vectors: Vectors) -> list[int] | None:
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


def _matching(rows: _Rows, sources: TableSources, page: Page) -> _Rows:
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
    return _Rows(rows.vectors, rows.places, kept if index is None else [index[row] for row in kept])


def _found(value: Any, mode: str, source: Source, path: Path) -> list[Cell]:
    if mode == "raw" and source.rest:
        return [node.cell() for node in follow(Node(value), source.rest)] if value else []
    if value is None or value == b"":
        return []
    return [_cell(value, mode)]


def _cell(value: Any, mode: str) -> Cell:
    if mode == "raw":
        return from_text(value) if value else None
    if mode == "int" and value is not None:
        return Num(str(value))
    cell: Cell = value
    return cell


def _column(column: ColumnPlan, origins: Sequence[Source], kind: ColumnType, rows: _Rows, page: Page) -> _Column:
    if column.constant:
        cell = page.constants[column.name] if rows.count else None
        if cell is not None and widen(kind, type_of(cell, column.declared)) != kind:
            raise Refused(rows.records)
        return _Column(repeated(cell, kind, rows.count), lambda: [plain(cell)] * rows.count)
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

    made = _direct(column, origins, kind, vectors, modes, page.limits, record)
    if made is None:
        made = _by_cell(column, origins, kind, vectors, modes, page.limits, record)
    if shared:
        inner = made

        def spread() -> Values:
            values = inner.plain()
            return [values[i] for i in places]

        return _Column(pc.take(inner.array, pa.array(places, pa.int64())), spread)
    return made


def _direct(
    column: ColumnPlan, origins: Sequence[Source], kind: ColumnType, vectors: list[Values], modes: list[str],
    limits: Limits, record: Callable[[int], int],
) -> _Column | None:  # fmt: skip
    """The array without a look at each value, where the column's type allows it."""
    given = set(modes) - {"none"}
    values = vectors[0]
    if column.functions in _EPOCHS and given == {"int"} and len(vectors) == 1 and kind == "timestamp":
        return _epochs(values, _EPOCHS[column.functions], limits) if column.default is None else None
    if not column.plain or len(given) > 1 or any(source.rest for source in origins):
        return None
    if not given:
        return _Column(pa.nulls(len(values), ARROW[kind]), lambda: [None] * len(values))
    mode = next(iter(given))
    if mode == "raw":
        return _direct_raw(column, kind, vectors[0], limits, record) if len(vectors) == 1 else None
    for other in vectors[1:]:
        values = [a if a is not None else b for a, b in zip(values, other, strict=True)]
    declared = column.declared
    if mode == "str" and kind == "string" and declared in (None, "string"):
        texts = pa.array(values, pa.string())
        return None if _too_long(texts, limits) else _Column(texts, lambda: values)
    if mode == "str" and kind == "timestamp" and declared == "timestamp":
        return _timestamps(values, limits)
    if mode == "int" and kind in ("int", "bigint") and declared in (None, "int"):
        try:
            made = pa.array(values, pa.int64())
        except OverflowError:
            return None
        bounds = pc.min_max(made).as_py()
        lowest, highest = bounds["min"], bounds["max"]
        if kind == "int" and lowest is not None and (lowest < -EXACT_IN_FLOAT or highest > EXACT_IN_FLOAT):
            return None
        return _Column(made, lambda: values)
    if mode == "str" and kind == declared and kind in _PLAIN_NUMBER:
        return _numbers(pa.array(values, pa.string()), kind)
    if mode == "bool" and kind == "bool" and declared in (None, "bool"):
        return _Column(pa.array(values, pa.bool_()), lambda: values)
    return None


def _direct_raw(
    column: ColumnPlan, kind: ColumnType, values: Values, limits: Limits, record: Callable[[int], int]
) -> _Column | None:
    if kind not in ("float", "json") or column.declared not in (None, kind):
        return None
    texts = pa.array([value or None for value in values], pa.binary()).view(pa.string())
    null = pc.equal(texts, "null")
    if pc.any(null).as_py():
        texts = pc.if_else(null, pa.scalar(None, pa.string()), texts)
    if kind == "json":
        if column.declared is None:
            nested = pc.or_(pc.starts_with(texts, "{"), pc.starts_with(texts, "["))
            if pc.all(nested).as_py() is False:
                return None
        if _too_long(texts, limits):
            return None
        return _Column(texts, lambda: [plain(Json(t)) if t is not None else None for t in texts.to_pylist()])
    try:
        made = texts.cast(pa.float64())
    except pa.ArrowInvalid:
        return None
    doubtful = pc.or_(pc.greater(pc.binary_length(texts), _FEW_DIGITS), pc.match_substring_regex(texts, "[eE]"))
    for text in pc.filter(texts, doubtful).to_pylist():
        if text is not None and widen("float", type_of(Num(text), column.declared)) != "float":
            return None
    if _too_long(texts, limits):
        return None
    return _Column(made, lambda: [plain(Num(t)) if t is not None else None for t in texts.to_pylist()])


def _timestamps(values: Values, limits: Limits) -> _Column | None:
    try:
        made = pa.array(values, pa.string()).cast(TIMESTAMP)
        bounds = pc.min_max(pc.year(made)).as_py()
    except pa.ArrowInvalid:
        return None
    return _instants(made, bounds, limits)


def _numbers(texts: pa.Array[Any], kind: ColumnType) -> _Column | None:
    """Texts that are numbers, where they are short and plain enough for Arrow to read them exactly."""
    if pc.all(pc.match_substring_regex(texts, _PLAIN_NUMBER[kind])).as_py() is False:
        return None
    return _Column(texts.cast(ARROW[kind]), lambda: [None if t is None else plain(Num(t)) for t in texts.to_pylist()])


def _epochs(values: Values, unit: int, limits: Limits) -> _Column | None:
    try:
        micros = pc.multiply_checked(pa.array(values, pa.int64()), unit)
        made = micros.cast(TIMESTAMP)
        bounds = pc.min_max(pc.year(made)).as_py()
    except (pa.ArrowInvalid, OverflowError):
        return None
    return _instants(made, bounds, limits)


def _instants(made: pa.Array[Any], bounds: Any, limits: Limits) -> _Column | None:
    lowest, highest = max(1, limits.year_min), min(9999, limits.year_max)
    if bounds["min"] is not None and (bounds["min"] < lowest or bounds["max"] > highest):
        return None
    micros = made.cast(pa.int64())
    return _Column(made, lambda: [None if m is None else iso_of(m) for m in micros.to_pylist()])


def _too_long(texts: pa.Array[Any], limits: Limits) -> bool:
    if limits.max_value is None:
        return False
    longest = pc.max(pc.binary_length(texts)).as_py()
    return longest is not None and longest > limits.max_value


def _by_cell(
    column: ColumnPlan, origins: Sequence[Source], kind: ColumnType, vectors: list[Values], modes: list[str],
    limits: Limits, record: Callable[[int], int],
) -> _Column:  # fmt: skip
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
    return _Column(
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
    return lambda value: _cell(value, mode)
