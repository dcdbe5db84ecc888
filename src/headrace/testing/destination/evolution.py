"""Tables grow: new columns, wider types, and what users have built on top of them."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import Any

import pytest

from headrace.core.contracts import Session
from headrace.core.types import ColumnType

from .build import Writer, page, table
from .read import contents, fetch, rows
from .target import DestinationTests, Target, needs_concurrent_writers

OPEN = table("open", "merge", {"id": "int", "x": None}, key=("id",), open_ended=True)

CHAINS: list[tuple[ColumnType, Any, ColumnType, Any, list[Any]]] = [
    ("untyped", None, "int", 5, [None, 5]),
    ("untyped", None, "string", "s", [None, "s"]),
    ("untyped", None, "bool", True, [None, True]),
    ("untyped", None, "json", '{"a": 1}', [None, '{"a": 1}']),
    ("int", 5, "bigint", 2**62, [5, 2**62]),
    ("int", 2**53, "decimal", Decimal("0.5"), [Decimal(2**53), Decimal("0.5")]),
    ("bigint", -(2**63), "decimal", Decimal("0.000000001"), [Decimal(-(2**63)), Decimal("0.000000001")]),
    ("int", 5, "float", 0.1, [5.0, 0.1]),
    ("int", -7, "string", "s", ["-7", "s"]),
    ("bigint", 2**63 - 1, "string", "s", [str(2**63 - 1), "s"]),
    ("bool", True, "string", "s", ["true", "s"]),
    ("bool", False, "string", "s", ["false", "s"]),
    ("json", '{"b": [1,2]}', "string", "s", ['{"b": [1,2]}', "s"]),
    ("float", 0.1, "string", "s", ["0.1", "s"]),
]


class Evolution(DestinationTests):
    def test_the_types_of_a_new_table(self, session: Session) -> None:
        kinds: list[ColumnType] = [
            "untyped", "bool", "int", "bigint", "decimal", "float", "string", "json", "timestamp", "date", "binary",
        ]  # fmt: skip
        spec = table("typed", "append", {f"c_{kind}": kind for kind in kinds})
        assert session.columns("typed") == {}
        Writer(session).prepare(spec)
        found = session.columns("typed")
        assert {name: found.get(name) for name in spec.columns} == dict(spec.columns)

    def test_a_column_without_values_is_untyped(self, session: Session) -> None:
        Writer(session).prepare(OPEN).commit(page(1, OPEN, [{"id": 1}]))
        assert session.columns("open").get("x", "untyped") == "untyped"
        assert contents(session, OPEN) == [(1, None)]

    @pytest.mark.parametrize(
        ("write", "chain"),
        [
            *(("merge", chain) for chain in CHAINS),
            *((write, chain) for write in ("append", "replace", "sync", "scd2") for chain in (CHAINS[0], CHAINS[8])),
        ],
        ids=lambda each: each if isinstance(each, str) else f"{each[0]} {each[1]!r} to {each[2]}",
    )
    def test_a_column_widens_and_keeps_its_values(
        self, session: Session, chain: tuple[ColumnType, Any, ColumnType, Any, list[Any]], write: str
    ) -> None:
        before, old, after, new, wanted = chain
        key = () if write in ("append", "replace") else ("id",)
        staging = {"staging": "open_staging"} if write == "sync" else {}
        spec = table("open", write, {"id": "int", "x": None}, key=key, **staging)
        writer = Writer(session).prepare(spec)
        writer.commit(page(1, spec, [{"id": 1, "x": old}], types={"x": before}))
        changes = [("x", before, after)]
        writer.commit(page(2, spec, [{"id": 2, "x": new}], types={"x": after}, changes=changes))
        if write in ("replace", "sync"):
            writer.finish(spec)
        assert session.columns("open")["x"] == after
        found = sorted(rows(session, "open", {"id": "int", "x": after}), key=lambda row: int(row[0]))
        assert [row[1] for row in found] == wanted

    @pytest.mark.parametrize("write", ["merge", "append", "sync", "scd2"])
    def test_a_key_widens_and_still_identifies(self, session: Session, write: str) -> None:
        staging = {"staging": "open_staging"} if write == "sync" else {}
        spec = table("open", write, {"id": None, "n": "int"}, key=("id",), open_ended=True, **staging)
        writer = Writer(session).prepare(spec)
        writer.commit(page(1, spec, [{"id": 1, "n": 1}, {"id": 2, "n": 1}], types={"id": "int"}))
        found = [{"id": "1", "n": 1}, {"id": "x", "n": 2}]
        writer.commit(page(2, spec, found, types={"id": "string"}, changes=[("id", "int", "string")]))
        writer.finish(spec)
        assert contents(session, spec) == [("1", 1), ("2", 1), ("x", 2)]

    def test_a_step_at_a_time(self, session: Session) -> None:
        writer = Writer(session).prepare(OPEN)
        steps: list[tuple[ColumnType, Any]] = [
            ("untyped", None), ("int", 1), ("bigint", 2**60), ("decimal", Decimal("0.25")), ("string", "text"),
        ]  # fmt: skip
        before: ColumnType = "untyped"
        for number, (kind, value) in enumerate(steps, start=1):
            changes = [("x", before, kind)] if kind != before else []
            writer.commit(page(number, OPEN, [{"id": number, "x": value}], types={"x": kind}, changes=changes))
            before = kind
        values = [row[1] for row in contents(session, OPEN)]
        assert values[0] is None
        assert [Decimal(value) for value in values[1:4]] == [1, 2**60, Decimal("0.25")]
        assert values[4] == "text"

    def test_a_new_column_is_null_in_old_rows(self, session: Session) -> None:
        writer = Writer(session).prepare(OPEN)
        writer.commit(page(1, OPEN, [{"id": 1}]))
        wider: dict[str, ColumnType] = {"x": "untyped", "y": "string", "z": "float"}
        changes: list[tuple[str, ColumnType | None, ColumnType]] = [("y", None, "string"), ("z", None, "float")]
        writer.commit(page(2, OPEN, [{"id": 2, "y": "new", "z": 0.5}], types=wider, changes=changes))
        assert rows(session, "open", ["id", "y", "z"]) == [(1, None, None), (2, "new", 0.5)]
        assert rows(session, "open_current", ["id", "y", "z"]) == [(1, None, None), (2, "new", 0.5)]

    def test_a_batch_may_lack_columns_that_the_table_has(self, session: Session) -> None:
        """A run with an older mapping, or one that has not met the column yet."""
        wide = table("items", "merge", {"id": "int", "a": "string", "b": "string"}, key=("id",))
        narrow = table("items", "merge", {"id": "int", "a": "string"}, key=("id",))
        writer = Writer(session).prepare(wide)
        writer.commit(page(1, wide, [{"id": 1, "a": "a", "b": "b"}]))
        writer.next_run("run-2").prepare(narrow).commit(page(1, narrow, [{"id": 2, "a": "A"}], run="run-2"))
        assert contents(session, wide) == [(1, "a", "b"), (2, "A", None)]

    def test_a_narrower_batch_goes_into_a_wider_column(self, session: Session) -> None:
        """Another run has widened the column since this one looked."""
        writer = Writer(session).prepare(OPEN)
        writer.commit(page(1, OPEN, [{"id": 1, "x": "text"}], types={"x": "string"}))
        writer.commit(page(2, OPEN, [{"id": 2, "x": 5}], types={"x": "int"}))
        assert contents(session, OPEN) == [(1, "text"), (2, "5")]
        assert session.columns("open")["x"] == "string"

    def test_prepare_adds_declared_columns(self, session: Session) -> None:
        before = table("items", "merge", {"id": "int"}, key=("id",))
        after = table("items", "merge", {"id": "int", "name": "string"}, key=("id",))
        Writer(session).prepare(before).commit(page(1, before, [{"id": 1}]))
        writer = Writer(session).prepare(after)
        writer.commit(page(2, after, [{"id": 2, "name": "b"}]))
        assert contents(session, after) == [(1, None), (2, "b")]
        assert rows(session, "items_current", ["id", "name"]) == [(1, None), (2, "b")]

    def test_a_view_of_the_user_s_own_survives_a_widening(self, target: Target) -> None:
        with target.destination.open() as session:
            Writer(session).prepare(OPEN).commit(page(1, OPEN, [{"id": 1, "x": 5}], types={"x": "int"}))
        target.execute("CREATE VIEW mine AS SELECT id, x FROM open WHERE id > 0")
        target.execute("CREATE VIEW on_mine AS SELECT x FROM mine")
        with target.destination.open() as session:
            changes: list[tuple[str, ColumnType | None, ColumnType]] = [("x", "int", "string")]
            again = Writer(session).prepare(OPEN)
            again.commit(page(2, OPEN, [{"id": 2, "x": "s"}], types={"x": "string"}, changes=changes))
            assert contents(session, OPEN) == [(1, "5"), (2, "s")]
            assert rows(session, "open_current", ["id", "x"]) == [(1, "5"), (2, "s")]
            assert rows(session, "mine", ["id", "x"]) == [(1, "5"), (2, "s")]
            assert rows(session, "on_mine", ["x"]) == [("5",), ("s",)]

    def test_a_view_on_an_engine_view_survives_a_widening(self, target: Target) -> None:
        with target.destination.open() as session:
            Writer(session).prepare(OPEN).commit(page(1, OPEN, [{"id": 1, "x": 5}], types={"x": "int"}))
        target.execute("CREATE VIEW mine AS SELECT id, x FROM open_current")
        with target.destination.open() as session:
            changes: list[tuple[str, ColumnType | None, ColumnType]] = [("x", "int", "string"), ("y", None, "string")]
            wider: dict[str, ColumnType] = {"x": "string", "y": "string"}
            again = Writer(session).prepare(OPEN)
            again.commit(page(2, OPEN, [{"id": 2, "x": "s", "y": "y"}], types=wider, changes=changes))
            assert rows(session, "mine", ["id", "x"]) == [(1, "5"), (2, "s")]
            assert rows(session, "open_current", ["id", "x", "y"]) == [(1, "5", None), (2, "s", "y")]

    def test_a_view_of_the_user_s_own_survives_a_replacement(self, target: Target) -> None:
        whole = table("whole", "replace", {"id": "int"})
        with target.destination.open() as session:
            writer = Writer(session).prepare(whole)
            writer.commit(page(1, whole, [{"id": 1}]))
            writer.finish(whole)
        target.execute("CREATE VIEW mine AS SELECT id FROM whole")
        with target.destination.open() as session:
            writer = Writer(session, "run-2").prepare(whole)
            writer.commit(page(1, whole, [{"id": 2}], run="run-2"))
            writer.finish(whole)
            assert rows(session, "mine", ["id"]) == [(2,)]

    def test_eight_sessions_prepare_at_once(self, target: Target) -> None:
        needs_concurrent_writers(target)
        specs = [OPEN, table("log", "append", {"line": "string"}), table("whole", "replace", {"id": "int"})]
        gate = threading.Barrier(8)
        errors: list[BaseException] = []

        def prepare() -> None:
            try:
                with target.destination.open() as session:
                    gate.wait(30)
                    Writer(session).prepare(*specs)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=prepare) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert errors == []
        with target.destination.open() as session:
            Writer(session).prepare(OPEN).commit(page(1, OPEN, [{"id": 1}]))
            assert fetch(session, "SELECT count(*) FROM open_current")[0][0] == 1
