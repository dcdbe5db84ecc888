"""Rows as PostgreSQL's binary COPY reads them, put together by Arrow: neither side writes or parses a number as text,
escapes a text or looks for the end of a line. Every column must have exactly the type that the bytes are of."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator, Mapping
from decimal import Decimal
from struct import pack
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from headrace.core.types import ColumnType
from headrace.destinations._rows import ARROW, decimal_text

_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = b"\xff\xff"
_BYTES = 4 << 20
_BYTES_TYPE = pa.large_binary()
_join: Any = pc.binary_join_element_wise
_NULL = pa.scalar(b"\xff\xff\xff\xff", _BYTES_TYPE)
_NOTHING = pa.scalar(b"", _BYTES_TYPE)
_MICROS_TO_2000 = pa.scalar(946_684_800_000_000, pa.int64())
_DAYS_TO_2000 = pa.scalar(10_957, pa.int32())


def copy_binary(rows: pa.Table, types: Mapping[str, ColumnType]) -> Iterator[bytes | memoryview]:
    """The columns of ``types``, in their order, a few megabytes at a time."""
    yield _HEAD
    count = pa.scalar(pack(">h", len(types)), _BYTES_TYPE)
    step = max(1, _BYTES * rows.num_rows // max(rows.nbytes, 1))
    for start in range(0, rows.num_rows, step):
        part = rows.slice(start, step)
        fields: list[Any] = [field for name, type in types.items() for field in _fields(part.column(name), type)]
        lines: Any = _join(count, *fields, _NOTHING, null_handling="replace", null_replacement="")
        _, offsets, data = lines.buffers()
        places = memoryview(offsets).cast("q")
        yield memoryview(data)[places[lines.offset] : places[lines.offset + len(lines)]]
    yield _END


def _fields(column: Any, type: ColumnType) -> list[Any]:
    """Each value with its length before it, as one array or two."""
    values = column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)
    values = values.cast(ARROW[type])
    if type == "timestamp":
        return [_fixed(pc.subtract_checked(values.view(pa.int64()), _MICROS_TO_2000))]
    if type == "date":
        return [_fixed(pc.subtract_checked(values.view(pa.int32()), _DAYS_TO_2000))]
    if type == "bool":
        return [_fixed(values.cast(pa.uint8()))]
    if type in ("int", "bigint", "float"):
        return [_fixed(values)]
    if type == "decimal":
        values = pa.array([None if value is None else _numeric(value) for value in values.to_pylist()], pa.binary())
    return [_lengths(values), values.cast(_BYTES_TYPE)]


def _fixed(values: Any) -> Any:
    """Numbers: the length of each and it itself, the highest byte first."""
    size, width = len(values), values.type.bit_width // 8
    held = memoryview(values.buffers()[1])[values.offset * width : (values.offset + size) * width].tobytes()
    whole = width + 4
    data = bytearray(whole * size)
    data[3::whole] = bytes([width]) * size
    for place in range(width):
        data[4 + place :: whole] = held[width - 1 - place :: width]
    made = _cut(data, whole, size)
    return pc.if_else(values.is_valid(), made, _NULL) if values.null_count else made


def _lengths(values: Any) -> Any:
    """The length of each value as four bytes, the highest first; -1 for null."""
    found = pc.fill_null(pc.binary_length(values), -1).cast(pa.int32())
    data = array("i")
    data.frombytes(memoryview(found.buffers()[1])[found.offset * 4 : (found.offset + len(found)) * 4])
    data.byteswap()
    return _cut(data, 4, len(found))


def _cut(data: bytearray | array[int], width: int, size: int) -> Any:
    """So many values of ``width`` bytes each."""
    return pa.Array.from_buffers(pa.binary(width), size, [None, pa.py_buffer(data)]).cast(_BYTES_TYPE)


def _numeric(value: Decimal) -> bytes:
    """Digits to the base of 10,000, after how many there are, what the first is worth, the sign and the scale."""
    text = decimal_text(value) or "0"
    whole, _, fraction = text.lstrip("-").partition(".")
    whole = whole.zfill(-(-len(whole) // 4) * 4)
    digits = whole + fraction + "0" * (-len(fraction) % 4)
    groups = [int(digits[at : at + 4]) for at in range(0, len(digits), 4)]
    sign = 0x4000 if text.startswith("-") else 0
    return pack(f">hhHh{len(groups)}h", len(groups), len(whole) // 4 - 1, sign, len(fraction), *groups)


assert sys.byteorder == "little", "Arrow's values are turned round on the way"
