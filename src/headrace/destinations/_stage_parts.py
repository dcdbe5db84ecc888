"""A part's bytes: JSON Lines or Parquet, made from Arrow rows and read back into the same."""

from __future__ import annotations

import gzip
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import zstandard

from headrace.core.types import ColumnType
from headrace.destinations._rows import ARROW, decimal_text

Format = Literal["jsonl", "parquet"]
Compression = Literal["none", "gzip", "zstd"]
SUFFIXES: Mapping[tuple[str, str], str] = {
    ("jsonl", "none"): ".jsonl", ("jsonl", "gzip"): ".jsonl.gz", ("jsonl", "zstd"): ".jsonl.zst",
    ("parquet", "none"): ".parquet",
}  # fmt: skip
_NO_NUMBERS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
_ODD = re.compile(r'["\\\x00-\x1f]')
_READ: Mapping[ColumnType, Any] = {
    "untyped": str | None, "bool": bool | None, "int": int | None, "bigint": int | None, "decimal": msgspec.Raw,
    "float": float | str | None, "string": str | None, "json": msgspec.Raw, "timestamp": str | None,
    "date": str | None, "binary": bytes | None,
}  # fmt: skip


def encode(rows: pa.Table, types: Mapping[str, ColumnType], format: Format, compression: Compression) -> bytes:
    """``rows`` as a file. JSON Lines: one object a line with every column in order; JSON columns are values, not
    texts, and absent where they are null; decimals keep their digits; binary is base64; times are ISO 8601, UTC."""
    if format == "parquet":
        import pyarrow.parquet as pq

        sink = io.BytesIO()
        pq.write_table(rows, sink, compression="zstd", compression_level=1)
        return sink.getvalue()
    lines = _encode_lines(rows, types)
    if compression == "gzip":
        return gzip.compress(lines, compresslevel=6, mtime=0)
    return zstandard.ZstdCompressor(level=3).compress(lines) if compression == "zstd" else lines


def decode(data: bytes, types: Mapping[str, ColumnType], format: Format, compression: Compression) -> pa.Table:
    """:func:`encode` backwards."""
    schema = pa.schema([(name, ARROW[type]) for name, type in types.items()])
    if format == "parquet":
        import pyarrow.parquet as pq

        return pq.read_table(io.BytesIO(data)).select(list(types)).cast(schema)
    if compression == "gzip":
        data = gzip.decompress(data)
    elif compression == "zstd":
        data = zstandard.ZstdDecompressor().decompress(data)
    return _decode_lines(data, types, schema)


def _encode_lines(rows: pa.Table, types: Mapping[str, ColumnType]) -> bytes:
    names = rows.column_names
    columns = [_plain(rows.column(name), types[name]) for name in names]
    lines = [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]
    for name, values in zip(names, columns, strict=True):
        if types[name] == "json":
            for line, value in zip(lines, values, strict=True):
                if value is None:
                    del line[name]
    return msgspec.json.Encoder().encode_lines(lines)


def _plain(column: Any, type: ColumnType) -> list[Any]:
    """The values as the encoder takes them."""
    values: list[Any] = column.to_pylist()
    if type == "decimal":
        return [None if v is None else msgspec.Raw((decimal_text(v) or "0").encode()) for v in values]
    if type == "json":
        return [None if v is None else msgspec.Raw(_one_line(v).encode()) for v in values]
    if type == "float" and not pc.all(pc.is_finite(column)).as_py():
        return [_no_number(v) for v in values]
    return values


def _one_line(text: str) -> str:
    """Between the tokens of a JSON text a line break means as much as a blank; inside a string it stands escaped."""
    return text.replace("\r", " ").replace("\n", " ")


def _no_number(value: float | None) -> float | str | None:
    if value is None or value - value == 0:
        return value
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def _decode_lines(data: bytes, types: Mapping[str, ColumnType], schema: pa.Schema) -> pa.Table:
    try:
        columns = list((_by_name if any(map(_ODD.search, types)) else _by_place)(data, types))
    except msgspec.DecodeError:  # a text in a JSON column that is valid JSON, and no valid Unicode
        columns = list(_slowly(data, types))
    arrays = [
        _ARRAYS.get(type, pa.array)(found, field.type)
        for found, type, field in zip(columns, types.values(), schema, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _by_place(data: bytes, types: Mapping[str, ColumnType]) -> Iterator[list[Any]]:
    """Each column's values, by a structure made for them."""
    fields = [(f"c{at}", _READ[type], _absent(type)) for at, type in enumerate(types.values())]
    renamed = {f"c{at}": name for at, name in enumerate(types)}
    line = msgspec.defstruct("Line", fields, rename=renamed, gc=False)
    lines = msgspec.json.Decoder(line).decode_lines(data)
    for at in range(len(types)):
        yield [getattr(each, f"c{at}") for each in lines]


def _by_name(data: bytes, types: Mapping[str, ColumnType]) -> Iterator[list[Any]]:
    """The same where a column has a name that no structure can have."""
    lines = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode_lines(data)
    yield from _columns(lines, types)


def _slowly(data: bytes, types: Mapping[str, ColumnType]) -> Iterator[list[Any]]:
    """The same for what msgspec refuses: each value's own text, by the standard library's reader."""
    yield from _columns([_members(line) for line in data.decode().split("\n") if line], types)


def _members(line: str) -> dict[str, msgspec.Raw]:
    read, found, at = json.JSONDecoder().raw_decode, {}, 1
    while line[at] != "}":
        name, at = read(line, at)
        _, end = read(line, at + 1)
        found[name] = msgspec.Raw(line[at + 1 : end].encode())
        at = end + (line[end] == ",")
    return found


def _columns(lines: Sequence[Mapping[str, msgspec.Raw]], types: Mapping[str, ColumnType]) -> Iterator[list[Any]]:
    for name, type in types.items():
        absent = _absent(type)
        if isinstance(absent, msgspec.Raw):
            yield [line.get(name, absent) for line in lines]
            continue
        read = msgspec.json.Decoder(_READ[type]).decode
        yield [read(line[name]) if name in line else absent for line in lines]


def _absent(type: ColumnType) -> Any:
    return msgspec.Raw(b"") if _READ[type] is msgspec.Raw else None


def _raw_texts(found: list[Any], type: pa.DataType) -> Any:
    return pa.array([bytes(each).decode() or None for each in found], type)


def _decimals(found: list[Any], type: pa.DataType) -> Any:
    texts = [None if each == b"null" else each.decode() or None for each in map(bytes, found)]
    return pa.array(texts, pa.string()).cast(type)


def _floats(found: list[Any], type: pa.DataType) -> Any:
    return pa.array([_NO_NUMBERS[each] if isinstance(each, str) else each for each in found], type)


def _moments(found: list[Any], type: pa.DataType) -> Any:
    from datetime import date, datetime

    read: Callable[[str], Any] = date.fromisoformat if pa.types.is_date(type) else datetime.fromisoformat
    return pa.array([None if each is None else read(each) for each in found], type)


_ARRAYS: Mapping[ColumnType, Callable[[list[Any], pa.DataType], Any]] = {
    "json": _raw_texts, "decimal": _decimals, "float": _floats, "timestamp": _moments, "date": _moments,
}  # fmt: skip
