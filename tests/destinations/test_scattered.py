"""A few rows of a large table change: DuckDB gets the memory for it, and more when that does not do."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.destinations import _room, from_url
from headrace.testing.destination.build import Writer, page, table
from headrace.testing.destination.read import fetch

ROWS = 120_000
WIDE = table("wide", "merge", {"id": "int", "text": "string"}, key=["id"])


def rows(first: int, last: int, step: int = 1, word: str = "a") -> list[dict[str, object]]:
    return [{"id": n, "text": f"{n} {word} " * 20} for n in range(first, last, step)]


def test_scattered_changes_of_a_large_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first limit is too small for anything: what fails is made again."""
    with from_url(f"duckdb:///{tmp_path}/test.duckdb").open() as session:
        writer = Writer(session).prepare(WIDE)
        for number in range(12):
            writer.commit(page(number + 1, WIDE, rows(number * 10_000, (number + 1) * 10_000)))
    monkeypatch.setattr(_room, "USUAL", 1)
    monkeypatch.setattr(_room, "CHANGING", 2)
    with from_url(f"duckdb:///{tmp_path}/test.duckdb").open() as session:
        writer = Writer(session).prepare(WIDE)
        for number in range(3):
            writer.commit(page(number + 20, WIDE, rows(number, ROWS, 40, "b")))
        found = fetch(session, "SELECT count(*), count(*) FILTER (text LIKE '% b %') FROM wide")
    assert found == [(ROWS, 9_000)]
