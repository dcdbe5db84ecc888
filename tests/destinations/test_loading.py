"""PostgreSQL: new rows go straight into their table; a row that stands is found whoever wrote it."""

from __future__ import annotations

import psycopg
import pytest

from headrace.core.tables import TableSpec
from headrace.destinations import from_url
from headrace.destinations.postgresql import PostgreSQLConnection
from headrace.testing.destination.build import SECOND, START, Writer, page, table
from headrace.testing.destination.read import fetch

ITEMS = table("items", "merge", {"id": "int", "text": "string", "price": "float", "at": "timestamp"}, key=["id"])
ALL = "SELECT id, text FROM items ORDER BY id"


def rows(first: int, last: int, word: str) -> list[dict[str, object]]:
    return [{"id": n, "text": f"{word}\t\\{n}\n"} for n in range(first, last)]


def texts(first: int, last: int, word: str) -> list[tuple[int, str]]:
    return [(n, f"{word}\t\\{n}\n") for n in range(first, last)]


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """The tables that rows were to go into, and whether they did."""
    seen: list[tuple[str, bool]] = []
    load = PostgreSQLConnection.load

    def watched(self: PostgreSQLConnection, name: str, *given: object) -> bool:
        done = load(self, name, *given)  # type: ignore[arg-type]  # as it was called
        seen.append((name, done))
        return done

    monkeypatch.setattr(PostgreSQLConnection, "load", watched)
    return seen


def test_a_row_that_somebody_else_wrote_is_replaced(postgres_url: str, loads: list[tuple[str, bool]]) -> None:
    with from_url(postgres_url).open() as session:
        writer = Writer(session).prepare(ITEMS)
        with psycopg.connect(postgres_url, autocommit=True) as other:
            other.execute("INSERT INTO items (id, text) VALUES (3, 'theirs')")
        writer.commit(page(1, ITEMS, rows(0, 5, "ours")))
        assert fetch(session, ALL) == texts(0, 5, "ours")
        assert fetch(session, "SELECT count(*) FROM items_seen") == [(5,)]
    assert ("items", False) in loads


def test_groups_that_are_new_and_groups_that_are_not(postgres_url: str, loads: list[tuple[str, bool]]) -> None:
    with from_url(postgres_url).open() as session:
        writer = Writer(session).prepare(ITEMS)
        writer.commit(page(1, ITEMS, rows(0, 10, "a")))
        assert ("items", True) in loads
        writer.commit(page(2, ITEMS, rows(5, 15, "b")))
        loads.clear()
        writer.commit(page(3, ITEMS, rows(10, 20, "c")))
        assert "items" not in dict(loads)  # the group before had rows that stood
        writer.commit(page(4, ITEMS, rows(30, 40, "d")))
        writer.commit(page(5, ITEMS, rows(40, 50, "e")))
        assert dict(loads)["items"]
        expected = texts(0, 5, "a") + texts(5, 10, "b") + texts(10, 20, "c") + texts(30, 40, "d") + texts(40, 50, "e")
        assert fetch(session, ALL) == expected
        assert fetch(session, "SELECT count(*) FROM items_seen") == [(40,)]


HASHED = table("items", "merge", {"id": "int", "text": "string"}, key=["id"], hash_column="text")
NOTED = "SELECT * FROM items_seen ORDER BY id"


@pytest.mark.parametrize("spec", [ITEMS, HASHED])
def test_what_is_noted_of_new_rows_is_the_same_either_way(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, spec: TableSpec
) -> None:
    """Rows that go straight into their tables, those whose keys were looked up before, and those that are staged."""
    found = []
    for loads in (True, False):
        monkeypatch.setattr(PostgreSQLConnection, "loads", loads)
        with from_url(postgres_url).open() as session:
            writer = Writer(session, scope="films\0of 1950").prepare(spec)
            for number in (1, 2, 3):
                writer.commit(page(number, spec, rows(number * 10, number * 10 + 10, "a")))
            found.append((fetch(session, ALL), fetch(session, NOTED)))
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute("TRUNCATE items, items_seen, headrace_checkpoints, raw_pages")
    assert found[0] == found[1]
    assert len(found[0][1]) == 30


def test_a_row_that_stands_after_many_that_were_new(postgres_url: str, loads: list[tuple[str, bool]]) -> None:
    """Nobody asks for the keys of a third group: the table says that one stands, and nothing of the attempt stays."""
    with from_url(postgres_url).open() as session:
        writer = Writer(session).prepare(ITEMS)
        writer.commit(page(1, ITEMS, rows(0, 10, "a")))
        writer.commit(page(2, ITEMS, rows(10, 20, "a")))
        with psycopg.connect(postgres_url, autocommit=True) as other:
            other.execute("INSERT INTO items (id, text) VALUES (29, 'theirs')")
        loads.clear()
        writer.commit(page(3, ITEMS, rows(20, 30, "b")))
        assert dict(loads)["items"] is False
        assert fetch(session, ALL) == texts(0, 20, "a") + texts(20, 30, "b")
        assert fetch(session, "SELECT count(*) FROM items_seen") == [(30,)]


def test_another_run_asks_again(postgres_url: str, loads: list[tuple[str, bool]]) -> None:
    """That the groups of one run were new says nothing of the next one's, which mostly are not."""
    with from_url(postgres_url).open() as session:
        Writer(session).prepare(ITEMS).commit(page(1, ITEMS, rows(0, 10, "a")))
        loads.clear()
        Writer(session, "run-2").commit(page(1, ITEMS, rows(0, 10, "b"), run="run-2", at=START + 60 * SECOND))
        assert "items" not in dict(loads)
        assert fetch(session, ALL) == texts(0, 10, "b")
