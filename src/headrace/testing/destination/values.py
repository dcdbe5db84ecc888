"""Every value of every type comes back as it was given."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from headrace.core.contracts import Session
from headrace.core.types import ColumnType

from .build import Writer, page, table
from .read import rows
from .target import DestinationTests

VALUES: dict[ColumnType, list[Any]] = {
    "bool": [True, False],
    "int": [0, -1, 2**53, -(2**53)],
    "bigint": [2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63)],
    "decimal": [
        Decimal("123456789012345678901"),  # 21 digits: SQLite's numeric affinity would make it a float
        Decimal("99999999999999999999999999999.999999999"),
        Decimal("-99999999999999999999999999999.999999999"),
        Decimal("0.000000001"),
        Decimal("0"),
        Decimal("1.10"),
    ],
    "float": [0.1, -1.5, 1e300, 5e-324, 1.7976931348623157e308, 2.0**60, 0.1 + 0.2, 1e22],
    "string": ["", "a", "é", "🎬👩‍👩‍👧", "  spaces ", "line\nbreak\ttab\r\n", "\\N", "\\", "\\.", "NULL", "null", "'", '"', "%s ? :x $1",
               "\u2028", "\ufeff", "\uffff", "\U0010ffff", "e\u0301", "007", "1e5", "{}", "x" * 100_000],
    "json": ['{"b": 1, "a": [2, {"c": null}]}', '{"big": 9007199254740993, "e": 1.10}', "[]", '"text"', "null", "123456789012345678901",
             '{"a": 1, "a": 2}', '{"emoji": "🎬", "nul": "\\u0000", "lone": "\\ud800", "quote": "\\""}'],
    "timestamp": [
        datetime(1970, 1, 1, tzinfo=UTC), datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=UTC), datetime(1969, 12, 31, 23, 59, 59, 1, tzinfo=UTC),
    ],
    "date": [date(1970, 1, 1), date(2024, 2, 29), date(1582, 10, 10)],
    "binary": [b"", b"\x00\xff\xfe", bytes(range(256)), b"\\x41"],
}  # fmt: skip


class Values(DestinationTests):
    @pytest.mark.parametrize("kind", VALUES)
    @pytest.mark.parametrize("write", ["append", "merge"])
    def test_every_value_of_a_type(self, session: Session, kind: ColumnType, write: str) -> None:
        spec = table("things", write, {"n": "int", "v": kind}, key=("n",) if write == "merge" else ())
        values = [*VALUES[kind], None]
        found = [{"n": n, "v": value} for n, value in enumerate(values)]
        Writer(session).prepare(spec).commit(page(1, spec, found, body=None))
        stored = sorted(rows(session, "things", spec.columns), key=lambda row: int(row[0]))
        assert [row[1] for row in stored] == values

    @pytest.mark.parametrize("kind", ["bigint", "decimal", "string", "bool", "timestamp", "date", "float"])
    def test_every_value_is_a_key(self, session: Session, kind: ColumnType) -> None:
        spec = table("things", "merge", {"k": kind, "n": "int"}, key=("k",))
        values = VALUES[kind]
        writer = Writer(session).prepare(spec)
        for number in (1, 2):
            writer.commit(page(number, spec, [{"k": value, "n": number} for value in values], body=None))
        assert {row[0] for row in rows(session, "things", spec.columns)} == set(values)
        assert len(rows(session, "things", ["n"])) == len(values)
        assert {row[0] for row in rows(session, "things", ["n"])} == {2}

    def test_timestamps_at_the_ends_of_what_is_declared(self, session: Session, target: Any) -> None:
        limits = target.destination.capabilities().limits
        ends = [
            datetime(limits.year_min, 1, 1, tzinfo=UTC),
            datetime(limits.year_max, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        ]
        spec = table("things", "append", {"at": "timestamp", "on": "date"})
        found = [{"at": end, "on": end.date()} for end in ends]
        Writer(session).prepare(spec).commit(page(1, spec, found))
        assert rows(session, "things", spec.columns) == [(end, end.date()) for end in ends]

    def test_negative_zero_keeps_its_sign(self, session: Session) -> None:
        spec = table("things", "append", {"v": "float"})
        Writer(session).prepare(spec).commit(page(1, spec, [{"v": -0.0}]))
        ((value,),) = rows(session, "things", spec.columns)
        assert math.copysign(1, value) == -1

    def test_nul_is_stored_or_kept_aside(self, session: Session, target: Any) -> None:
        spec = table("things", "append", {"v": "string"})
        receipt = Writer(session).prepare(spec).commit(page(1, spec, [{"v": "a\x00b"}, {"v": "fine"}]))
        if target.destination.capabilities().limits.nul:
            assert rows(session, "things", ["v"]) == [("a\x00b",), ("fine",)]
        else:
            assert rows(session, "things", ["v"]) == [("fine",)]
            assert [(each.table, each.record) for each in receipt.rejected] == [("things", 0)]

    def test_a_page_of_many_rows_and_columns(self, session: Session) -> None:
        names = [f"c{n}" for n in range(150)]
        spec = table("wide", "append", dict.fromkeys(names, "string"))
        Writer(session).prepare(spec).commit(page(1, spec, [dict.fromkeys(names, str(n)) for n in range(300)]))
        stored = rows(session, "wide", ["c0", "c149"])
        assert len(stored) == 300
        assert all(first == last for first, last in stored)
