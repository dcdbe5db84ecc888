"""Rows as PostgreSQL's COPY reads them (text format), put together by Arrow: a value is no Python object on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from headrace.core.types import ColumnType
from headrace.destinations._rows import decimal_text

_NULL = "\\N"
_ROWS = 10_000
_BYTES = 8 << 20
_CAST = ("int", "bigint", "bool", "float", "timestamp", "date")
"""Types that Arrow writes as PostgreSQL reads them."""
_PRINTED: Mapping[ColumnType, Callable[[Any], str]] = {
    "decimal": lambda v: decimal_text(v) or "0",
    "binary": lambda v: "\\\\x" + v.hex(),
}
_ESCAPED = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}  # the backslash before what brings new ones


def copy_text(rows: pa.Table, types: Mapping[str, ColumnType]) -> Iterator[bytes]:
    """The columns of ``types``, in their order, a few megabytes at a time."""
    step = min(_ROWS, max(1, _BYTES * rows.num_rows // max(rows.nbytes, 1)))
    for start in range(0, rows.num_rows, step):
        part = rows.slice(start, step).combine_chunks()
        texts = [_text(part.column(name), type) for name, type in types.items()]
        texts[-1] = _joined(texts[-1], "\n", by="")
        lines = _joined(*texts, by="\t")
        for chunk in lines.chunks:
            _, offsets, data = chunk.buffers()
            places = memoryview(offsets).cast("q")  # large_string: 64-bit offsets
            first, last = places[chunk.offset], places[chunk.offset + len(chunk)]
            yield data.slice(first, last - first).to_pybytes()


def _joined(*texts: Any, by: str) -> Any:
    large = [pa.scalar(text, pa.large_string()) if isinstance(text, str) else text for text in (*texts, by)]
    return pc.binary_join_element_wise(*large, null_handling="replace", null_replacement=_NULL)


def _text(column: Any, type: ColumnType) -> Any:
    """Each value as text; nulls stay null."""
    if type in _CAST:
        return column.cast(pa.large_string())
    if (write := _PRINTED.get(type)) is not None:
        values = [None if value is None else write(value) for value in column.to_pylist()]
        return pa.chunked_array([pa.array(values, pa.large_string())])
    text = column.cast(pa.large_string())
    held = b"".join(data.to_pybytes() for chunk in text.chunks if (data := chunk.buffers()[2]) is not None)
    for mark, escape in _ESCAPED.items():
        if mark.encode() in held:
            text = pc.replace_substring(text, mark, escape)
    return text
