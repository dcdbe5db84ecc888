"""PostgreSQL's COPY: what goes in as bytes is what goes in as text, and a table of other types still gets text."""

from __future__ import annotations

import datetime as dt
import struct
from decimal import Decimal
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from headrace.core.types import ColumnType
from headrace.destinations import _copy_binary, from_url
from headrace.destinations._copy import copy_text
from headrace.destinations._copy_binary import copy_binary
from headrace.destinations._rows import ARROW
from headrace.destinations._sql import quote
from headrace.destinations.postgresql import _TYPES
from headrace.testing.destination.build import Writer, page, table
from headrace.testing.destination.read import fetch

_UTC = dt.UTC
VALUES: dict[ColumnType, list[Any]] = {
    "untyped": [None, "", "x"],
    "bool": [True, False, None],
    "int": [0, -1, 2**53, None],
    "bigint": [2**63 - 1, -(2**63), None, 256],
    "decimal": [Decimal(t) for t in ("0", "-0.5", "1", "10000", "9999.9999", "0.000000001", "-123456789012345678901234567.89",
                                     "100000000", "0.0001", "12345.6", "-1")] + [None],
    "float": [0.0, -0.0, 0.1, 1e308, 5e-324, -1.5, None, float("inf")],
    "string": ["", "a\tb\nc\\d\r", "\\N", "é😀", None, "x" * 3_000],
    "json": ["{}", '{"a": "\\t\\\\"}', "[1, 2]", "null", None],
    "timestamp": [dt.datetime(1, 1, 1, tzinfo=_UTC), dt.datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=_UTC), None,
                  dt.datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=_UTC), dt.datetime(2000, 1, 1, tzinfo=_UTC)],
    "date": [dt.date(1, 1, 1), dt.date(2000, 1, 1), dt.date(1999, 12, 31), None, dt.date(9999, 12, 31)],
    "binary": [b"", b"\0\xff\\x", None, bytes(range(256))],
}  # fmt: skip
ROWS = 37


def every_type() -> pa.Table:
    columns = {kind: [values[n % len(values)] for n in range(ROWS)] for kind, values in VALUES.items()}
    halves = [pa.table({k: pa.array(v[cut], ARROW[k]) for k, v in columns.items()}) for cut in (slice(20), slice(20, None))]  # fmt: skip
    return pa.concat_tables(halves)


@pytest.mark.parametrize("size", [1, 4_000, 4 << 20])
@pytest.mark.parametrize("start", [0, 3])
def test_both_forms_say_the_same(postgres_url: str, monkeypatch: pytest.MonkeyPatch, size: int, start: int) -> None:
    """In one part and in many; from rows that are a piece of others, in several chunks."""
    monkeypatch.setattr(_copy_binary, "_BYTES", size)
    rows = every_type().slice(start)
    types: dict[str, ColumnType] = {kind: kind for kind in VALUES}
    columns = ", ".join(f"{quote(kind)} {_TYPES[kind]}" for kind in VALUES)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        for name, parts, how in (("bytes", copy_binary, " (FORMAT binary)"), ("texts", copy_text, "")):
            connection.execute(f"CREATE TABLE {name} ({columns})".encode())
            with connection.cursor() as cursor, cursor.copy(f"COPY {name} FROM STDIN{how}".encode()) as copy:
                for part in parts(rows, types):
                    copy.write(part)
        as_text = ", ".join(f"{quote(kind)}::text" for kind in VALUES)
        found = [connection.execute(f"SELECT {as_text} FROM {name}".encode()).fetchall() for name in ("bytes", "texts")]
        floats = [row[0] for row in connection.execute("SELECT float8send(float) FROM bytes").fetchall()]
    assert found[0] == found[1]
    assert len(found[0]) == ROWS - start
    assert floats == [None if v is None else struct.pack(">d", v) for v in rows.column("float").to_pylist()]


def test_a_table_with_types_of_its_own(postgres_url: str) -> None:
    """What somebody else made has other types than we would give: its columns read the values as text."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE things (id integer, code varchar(9), price numeric(9, 2), tag uuid, at timestamp, note text)"
        )
    spec = table("things", "append", {"id": "int", "code": "string", "price": "decimal", "tag": "string",
                                      "at": "timestamp", "note": "string"})  # fmt: skip
    at = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=_UTC)
    tag = "c0ffee00-0000-4000-8000-000000000000"
    row = {"id": 7, "code": "a\tb", "price": Decimal("1.5"), "tag": tag, "at": at, "note": "n"}
    with from_url(postgres_url).open() as session:
        Writer(session).prepare(spec).commit(page(1, spec, [row]))
        found = fetch(session, "SELECT id, code, price::text, tag::text, at::text, note FROM things")
    assert found == [(7, "a\tb", "1.50", tag, "2026-01-02 03:04:05", "n")]
