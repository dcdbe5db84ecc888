"""PostgreSQL: new rows go straight into their table; a row that stands is found whoever wrote it."""

from __future__ import annotations

import psycopg
import pytest

from headrace.destinations import from_url
from headrace.destinations.postgresql import PostgreSQLConnection
from headrace.testing.destination.build import Writer, page, table
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
