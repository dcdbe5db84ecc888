"""DuckDB's memory: little for usual pages, and enough for long ones."""

from __future__ import annotations

from pathlib import Path
from random import Random

from headrace.destinations import from_url
from headrace.destinations._room import USUAL, Room
from headrace.testing.destination.build import RAW, Writer, page
from headrace.testing.destination.read import fetch

MB = 1 << 20


def test_usual_pages_need_no_more() -> None:
    room = Room()
    for commit in range(1000):
        room.write("raw", "response_blob", 100, 100 * 25_000)
        if commit % 3 == 2:
            room.sealed()
    assert room.megabytes == USUAL


def test_a_checkpoint_is_seen(tmp_path: Path) -> None:
    """Without it the limit would follow all of the last 2,048 bodies: 60 MB here."""
    noise = Random(1).randbytes(MB)
    with from_url(f"duckdb:///{tmp_path}/test.duckdb").open() as session:
        writer = Writer(session).prepare()
        for turn in range(15):
            first = turn * 20 + 1
            writer.commit(*(page(n, body=noise[n * 1000 : n * 1000 + 200_000]) for n in range(first, first + 20)))
        ((limit,),) = fetch(session, "SELECT value FROM duckdb_settings() WHERE name = 'memory_limit'")
    number, unit = limit.split()
    assert unit == "MiB"
    assert float(number) < 65


def test_large_groups_find_room() -> None:
    room = Room()
    room.group(100 * MB)
    assert room.megabytes > 100


def test_long_values_need_a_vector_of_them() -> None:
    room = Room()
    for _ in range(1000):
        room.write("raw", "response_blob", 100, 100 * 200_000)
        room.write("raw", "url", 100, 100 * 50)
    assert 2048 * 200_000 / MB < room.megabytes < 2 * 2048 * 200_000 / MB


def test_an_archive_larger_than_the_usual_memory(tmp_path: Path) -> None:
    """A checkpoint writes the end of a column again, and holds 2,048 of its values meanwhile."""
    noise = Random(1).randbytes(MB)
    with from_url(f"duckdb:///{tmp_path}/test.duckdb").open() as session:
        writer = Writer(session).prepare()
        for turn in range(6):
            first = turn * 50 + 1
            writer.commit(
                *(page(n, body=noise[n * 1000 :] + noise[: n * 1000 - 500_000]) for n in range(first, first + 50))
            )
    with from_url(f"duckdb:///{tmp_path}/test.duckdb").open() as session:
        Writer(session).prepare().commit(page(301, body=b"short"))
        assert session.purge(table=RAW, run_id="run-1") == 301
        session.vacuum()
    assert (tmp_path / "test.duckdb").stat().st_size < 5 * MB


def test_one_very_long_body(tmp_path: Path) -> None:
    body = Random(2).randbytes(60 * MB)
    with from_url(f"duckdb:///{tmp_path}/test.duckdb").open() as session:
        writer = Writer(session).prepare()
        writer.commit(page(1, body=body))
        writer.commit(page(2, body=b"short"))
    with from_url(f"duckdb:///{tmp_path}/test.duckdb").open() as session:
        assert [len(raw.body) for raw in session.raw_pages(RAW)] == [60 * MB, 5]
        Writer(session).prepare().commit(page(3, body=b"short"))
