"""Names are data: whatever a user or an API calls a column, it is quoted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from headrace.core.contracts import Session
from headrace.core.tables import Group, StreamKey
from headrace.core.types import ColumnType

from .build import Writer, page, table
from .read import count, rows
from .target import DestinationTests, Target

HOSTILE = [
    'a"b', "a'b", "a;b", 'x"; DROP TABLE things; --', "select", "order", "user", "two words", "naïve ☃ 🎬", "1st", "a.b", "a`b",
    "[a]", "100%", "%s", "%(x)s", "?", ":x", "$1", "{x}", "\\", "new\nline", "--", "/*", "key_hash", "scope", "run_id", "rowid",
    "excluded", "source", "target", "new", "staging", "t", "s", "__page", "value", "valid", "group",
]  # fmt: skip


class Names(DestinationTests):
    @pytest.mark.parametrize("write", ["append", "merge", "replace", "sync", "scd2"])
    def test_hostile_columns(self, session: Session, write: str) -> None:
        columns: dict[str, ColumnType | None] = {"id": "int", **dict.fromkeys(HOSTILE, "string")}
        staging = {"staging": 'st"aging'} if write == "sync" else {}
        key = () if write in ("append", "replace") else ("id", HOSTILE[0])
        spec = table("things", write, columns, key=key, **staging)
        writer = Writer(session).prepare(spec)
        writer.commit(page(1, spec, [{"id": 1, **{name: name for name in HOSTILE}}]))
        again = [{"id": 2, **{name: name for name in HOSTILE}}]
        writer.commit(page(2, spec, again))
        writer.finish(spec)
        assert rows(session, "things", HOSTILE) == [tuple(HOSTILE)] * 2

    @pytest.mark.parametrize(
        "name", ['x"; DROP TABLE things; --', "a'b.c", "select", "naïve ☃ 🎬 %s ? :x $1 {y}", "\\", "two\nlines", "1st"]
    )
    def test_hostile_tables(self, session: Session, name: str) -> None:
        keyed = table(name, "merge", {"id": "int", "v": "string"}, key=("id",))
        writer = Writer(session).prepare(keyed)
        writer.commit(page(1, keyed, [{"id": 1, "v": "a"}]))
        writer.commit(page(2, keyed, [{"id": 1, "v": "b"}]))
        writer.finish(keyed)
        assert rows(session, name, ["id", "v"]) == [(1, "b")]
        assert rows(session, f"{name}_current", ["id"]) == [(1,)]
        assert count(session, f"{name}_rejected") == 0

    def test_a_hostile_archive(self, session: Session) -> None:
        name = 'raw "pages"; --'
        session.prepare([], [name])
        one = page(1).raw
        assert one is not None
        session.commit(Group("run-1", pages=[replace(one, table=name)]))
        assert [each.page_number for each in session.raw_pages(name)] == [1]

    def test_the_longest_names(self, session: Session, target: Target) -> None:
        limit = target.destination.capabilities().limits.max_name or 120
        names = ["x" * limit, "y" * (limit - 1) + "1", "y" * (limit - 1) + "2"]
        spec = table("t" * limit, "merge", {"id": "int", **dict.fromkeys(names, "string")}, key=("id",))
        twin = table("t" * (limit - 1) + "u", "merge", {"id": "int"}, key=("id",))
        writer = Writer(session).prepare(spec, twin)
        writer.commit(page(1, spec, [{"id": 1, **{name: name for name in names}}]))
        writer.commit(page(2, twin, [{"id": 2}]))
        assert rows(session, spec.name, names) == [tuple(names)]
        assert rows(session, twin.name, ["id"]) == [(2,)]

    def test_a_hostile_name_arrives_later(self, session: Session) -> None:
        spec = table("things", "merge", {"id": "int"}, key=("id",), open_ended=True)
        writer = Writer(session).prepare(spec)
        writer.commit(page(1, spec, [{"id": 1}]))
        types: dict[str, ColumnType] = {"id": "int"}
        for number, name in enumerate(HOSTILE[:6], start=2):
            types[name] = "string"
            row: dict[str, Any] = {"id": number, name: "v"}
            writer.commit(page(number, spec, [row], types=types, changes=[(name, None, "string")]))
        assert count(session, "things") == 7
        assert [row[0] for row in rows(session, "things_current", HOSTILE[:6]) if row[0] is not None] == ["v"]

    def test_hostile_runs_steps_slices_and_scopes(self, session: Session) -> None:
        spec = table("things", "merge", {"id": "int"}, key=("id",))
        for name in ("a'b", 'a"b; --', "☃ 🎬", "%s ? $1 :x", "x" * 3000, "\\"):
            writer = Writer(session, name, name).prepare(spec)
            writer.commit(page(1, spec, [{"id": 1}], run=name, slice=name))
            writer.finish(spec)
            stored = session.checkpoint(StreamKey(name, "extract", name))
            assert stored is not None
            assert stored.key.slice == name
            assert len(list(session.raw_pages("raw_pages", run_id=name))) == 1
