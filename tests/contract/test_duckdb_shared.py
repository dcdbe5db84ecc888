"""Sessions of one process on one DuckDB file."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from headrace.core.errors import DestinationBusy
from headrace.core.tables import RunRecord
from headrace.destinations import _shared, from_url
from headrace.destinations.duckdb import DuckDBConnection

RUN = RunRecord(
    run_id="a", pipeline="p", org="default", status="running", params={}, resolved={}, request_hash="", mapping_hash="",
    scope="", now=1, started_at=1,
)  # fmt: skip


def test_a_reader_joins_writers_and_sees_what_is_committed(tmp_path: Path) -> None:
    destination = from_url(f"duckdb:///{tmp_path}/x.duckdb")
    with destination.open() as writer:
        writer.save_run(RUN)
        with destination.open(read_only=True) as reader:
            assert reader.run("a") == RUN
            writer.save_run(replace(RUN, status="done"))
            found = reader.run("a")
            assert found is not None
            assert found.status == "done"


def test_writers_take_turns_and_none_loses_a_commit(tmp_path: Path) -> None:
    destination = from_url(f"duckdb:///{tmp_path}/x.duckdb")
    barrier = threading.Barrier(6)

    def work(number: int) -> None:
        with destination.open() as session:
            barrier.wait(60)
            for at in range(10):
                session.save_run(replace(RUN, run_id=f"{number}", rows=at))

    with ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(work, number) for number in range(6)]:
            done.result(120)
    with destination.open(read_only=True) as session:
        assert sorted((run.run_id, run.rows) for run in session.runs()) == [(str(n), 9) for n in range(6)]


def test_a_writer_waits_for_those_who_only_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    destination = from_url(f"duckdb:///{tmp_path}/x.duckdb")
    with destination.open() as session:
        session.save_run(RUN)
    monkeypatch.setattr(_shared, "PATIENCE", 0.01)
    with destination.open(read_only=True), pytest.raises(DestinationBusy), destination.open():
        pass
    monkeypatch.setattr(_shared, "PATIENCE", 60)

    def write() -> None:
        with destination.open() as session:
            session.save_run(replace(RUN, run_id="b"))

    with ThreadPoolExecutor(1) as pool:
        with destination.open(read_only=True) as reader:
            writing = pool.submit(write)
            assert [run.run_id for run in reader.runs()] == ["a"]
        writing.result(60)
    with destination.open(read_only=True) as session:
        assert {run.run_id for run in session.runs()} == {"a", "b"}


def test_after_a_commit_without_memory_nobody_writes_until_all_have_closed_the_file(tmp_path: Path) -> None:
    path = str(tmp_path / "x.duckdb")
    one, other = DuckDBConnection(path), DuckDBConnection(path)
    one.begin()
    try:
        raise duckdb.OutOfMemoryException("no room")
    except duckdb.OutOfMemoryException as error:
        one.rollback()
        with pytest.raises(DestinationBusy):
            one.more_room(error)
    for each in (one, other):
        with pytest.raises(DestinationBusy):
            each.begin()
    with pytest.raises(DestinationBusy):
        DuckDBConnection(path)
    one.close()
    other.close()
    again = DuckDBConnection(path)
    again.begin()
    again.rollback()
    again.close()


def test_the_file_has_the_memory_of_whoever_needs_most(tmp_path: Path) -> None:
    def given(connection: DuckDBConnection) -> str:
        return str(connection.execute("SELECT current_setting('memory_limit')", ())[0][0])

    path = str(tmp_path / "x.duckdb")
    one, other = DuckDBConnection(path), DuckDBConnection(path)
    usual = given(one)
    one.will_read(200 << 20)
    more = given(one)
    assert more != usual
    other.will_change()
    assert given(one) == more
    one.close()
    other.will_change()
    assert given(other) == usual
    other.close()
