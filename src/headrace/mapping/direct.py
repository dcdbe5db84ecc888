"""A column's array without a look at each value, where its type and the kind of its values allow it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from headrace.core.contracts import Limits
from headrace.core.types import ColumnType, widen
from headrace.mapping.arrow import ARROW, TIMESTAMP, pc
from headrace.mapping.cells import Json, Num, iso_of, plain
from headrace.mapping.coerce import EXACT_IN_FLOAT, type_of
from headrace.mapping.functions import FUNCTIONS
from headrace.mapping.plan import ColumnPlan
from headrace.mapping.tree import Source

_FEW_DIGITS = 15  # a double gives back every decimal of so many digits

_PLAIN_NUMBER: dict[str, str] = {
    "int": r"^-?(0|[1-9][0-9]{0,14})$",
    "decimal": r"^-?(0|[1-9][0-9]{0,28})(\.[0-9]{1,9})?$",
    "float": r"^-?(0|[1-9][0-9]{0,7})(\.[0-9]{1,7})?$",
}
_EPOCHS = {(FUNCTIONS["epoch_seconds"],): 1_000_000, (FUNCTIONS["epoch_millis"],): 1_000}

Values = Sequence[Any]


@dataclass
class Column:
    """A column's values as they are stored, and on demand as plain Python values."""

    array: pa.Array[Any]
    plain: Callable[[], Values]


def direct(
    column: ColumnPlan, origins: Sequence[Source], kind: ColumnType, vectors: list[Values], modes: list[str],
    limits: Limits,
) -> Column | None:  # fmt: skip
    """The column, or ``None`` where its values have to be looked at one by one. ``vectors`` has the values of each of
    ``origins``, ``modes`` how they were decoded."""
    given = set(modes) - {"none"}
    values = vectors[0]
    if column.functions in _EPOCHS and given == {"int"} and len(vectors) == 1 and kind == "timestamp":
        return _epochs(values, _EPOCHS[column.functions], limits) if column.default is None else None
    if not column.plain or len(given) > 1 or any(source.rest for source in origins):
        return None
    if not given:
        return Column(pa.nulls(len(values), ARROW[kind]), lambda: [None] * len(values))
    mode = next(iter(given))
    if mode == "raw":
        return _direct_raw(column, kind, vectors[0], limits) if len(vectors) == 1 else None
    for other in vectors[1:]:
        values = [a if a is not None else b for a, b in zip(values, other, strict=True)]
    declared = column.declared
    if mode == "str" and kind == "string" and declared in (None, "string"):
        texts = pa.array(values, pa.string())
        return None if _too_long(texts, limits) else Column(texts, lambda: values)
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
        return Column(made, lambda: values)
    if mode == "str" and kind == declared and kind in _PLAIN_NUMBER:
        return _numbers(pa.array(values, pa.string()), kind)
    if mode == "bool" and kind == "bool" and declared in (None, "bool"):
        return Column(pa.array(values, pa.bool_()), lambda: values)
    return None


def _direct_raw(column: ColumnPlan, kind: ColumnType, values: Values, limits: Limits) -> Column | None:
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
        return Column(texts, lambda: [plain(Json(t)) if t is not None else None for t in texts.to_pylist()])
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
    return Column(made, lambda: [plain(Num(t)) if t is not None else None for t in texts.to_pylist()])


def _timestamps(values: Values, limits: Limits) -> Column | None:
    try:
        made = pa.array(values, pa.string()).cast(TIMESTAMP)
        bounds = pc.min_max(pc.year(made)).as_py()
    except pa.ArrowInvalid:
        return None
    return _instants(made, bounds, limits)


def _numbers(texts: pa.Array[Any], kind: ColumnType) -> Column | None:
    """Texts that are numbers, where they are short and plain enough for Arrow to read them exactly."""
    if pc.all(pc.match_substring_regex(texts, _PLAIN_NUMBER[kind])).as_py() is False:
        return None
    return Column(texts.cast(ARROW[kind]), lambda: [None if t is None else plain(Num(t)) for t in texts.to_pylist()])


def _epochs(values: Values, unit: int, limits: Limits) -> Column | None:
    try:
        micros = pc.multiply_checked(pa.array(values, pa.int64()), unit)
        made = micros.cast(TIMESTAMP)
        bounds = pc.min_max(pc.year(made)).as_py()
    except (pa.ArrowInvalid, OverflowError):
        return None
    return _instants(made, bounds, limits)


def _instants(made: pa.Array[Any], bounds: Any, limits: Limits) -> Column | None:
    lowest, highest = max(1, limits.year_min), min(9999, limits.year_max)
    if bounds["min"] is not None and (bounds["min"] < lowest or bounds["max"] > highest):
        return None
    micros = made.cast(pa.int64())
    return Column(made, lambda: [None if m is None else iso_of(m) for m in micros.to_pylist()])


def _too_long(texts: pa.Array[Any], limits: Limits) -> bool:
    if limits.max_value is None:
        return False
    longest = pc.max(pc.binary_length(texts)).as_py()
    return longest is not None and longest > limits.max_value
