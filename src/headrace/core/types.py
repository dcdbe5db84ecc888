"""Column types and how they widen: a join-semilattice, so that the order of pages does not matter."""

from __future__ import annotations

from typing import Literal, TypeAlias

ColumnType: TypeAlias = Literal[
    "untyped",  # only nulls so far; stored as text until a value says what it is
    "bool",
    "int",  # every value within ±2^53, so that it may still become a float without loss
    "bigint",  # 64-bit
    "decimal",  # 38 digits, 9 of them after the point
    "float",  # a double whose shortest text is the number that was sent
    "string",
    "json",  # the value's own text
    "timestamp",  # microseconds, UTC; only when declared
    "date",  # only when declared
    "binary",
]

DECIMAL_PRECISION, DECIMAL_SCALE = 38, 9

_WIDER: dict[tuple[str, str], ColumnType] = {
    ("int", "bigint"): "bigint",
    ("int", "decimal"): "decimal",
    ("bigint", "decimal"): "decimal",
    ("int", "float"): "float",
}


def widen(a: ColumnType, b: ColumnType) -> ColumnType:
    """The narrowest type that holds every value of both without changing one; ``string`` is the top."""
    if a == b or b == "untyped":
        return a
    if a == "untyped":
        return b
    return _WIDER.get((a, b)) or _WIDER.get((b, a)) or "string"
