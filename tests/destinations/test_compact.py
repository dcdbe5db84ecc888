"""vacuum on DuckDB: the file is copied, and killed at any instant one whole file is there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from headrace.core.contracts import Session
from headrace.core.errors import DestinationBusy, DestinationError
from headrace.destinations import from_url
from headrace.testing.destination.build import Writer, page, table
from headrace.testing.destination.read import contents

ITEMS = table("items", "merge", {"id": "int"}, key=("id",))
VACUUM = "import sys; from headrace.destinations import from_url\nwith from_url(sys.argv[1]).open() as s: s.vacuum()"


def url(folder: Path) -> str:
    return f"duckdb:///{folder}/test.duckdb"


def written(session: Session) -> None:
    Writer(session).prepare(ITEMS).commit(page(1, ITEMS, [{"id": n} for n in range(1000)]))


def stands(folder: Path) -> None:
    with from_url(url(folder)).open() as session:
        assert contents(session, ITEMS) == sorted(((n,) for n in range(1000)), key=lambda row: str(row[0]))
        session.vacuum()
        assert len(contents(session, ITEMS)) == 1000
    assert [path.name for path in folder.iterdir()] == ["test.duckdb"]


@pytest.mark.parametrize("point", ["vacuum.copied", "vacuum.replaced"])
def test_sigkill_leaves_a_whole_file(tmp_path: Path, point: str) -> None:
    with from_url(url(tmp_path)).open() as session:
        written(session)
    environment = {**os.environ, "HEADRACE_FAULT": f"{point}:1:kill"}
    killed = subprocess.run([sys.executable, "-c", VACUUM, url(tmp_path)], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    stands(tmp_path)


def test_sigkill_of_the_writer_before(tmp_path: Path) -> None:
    """What stands only in the log comes along."""
    code = VACUUM.replace("s.vacuum()", "s.query('SELECT 1'); exec(sys.argv[2])")
    more = (
        "import os; from headrace.testing.destination.build import *; "
        "spec = table('items', 'merge', {'id': 'int'}, key=('id',)); "
        "Writer(s).prepare(spec).commit(page(1, spec, [{'id': n} for n in range(1000)])); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", code, url(tmp_path), more], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "test.duckdb.wal").stat().st_size > 0
    stands(tmp_path)


def test_what_an_earlier_one_left_is_removed(tmp_path: Path) -> None:
    with from_url(url(tmp_path)).open() as session:
        written(session)
    (tmp_path / "test.duckdb.vacuum").write_bytes(b"half a file")
    (tmp_path / "test.duckdb.vacuum.wal").write_bytes(b"half a log")
    stands(tmp_path)


def test_a_failure_leaves_the_file_and_the_session(tmp_path: Path) -> None:
    with from_url(url(tmp_path)).open() as session:
        written(session)
        (tmp_path / "test.duckdb.vacuum" / "in the way").mkdir(parents=True)
        with pytest.raises(DestinationError, match="vacuum"):
            session.vacuum()
        assert len(contents(session, ITEMS)) == 1000
        (tmp_path / "test.duckdb.vacuum" / "in the way").rmdir()
        (tmp_path / "test.duckdb.vacuum").rmdir()
    stands(tmp_path)


def test_a_file_that_somebody_reads_is_not_replaced(tmp_path: Path) -> None:
    with from_url(url(tmp_path)).open() as session:
        written(session)
        reading = session.query("SELECT id FROM items")
        next(reading)
        with pytest.raises(DestinationBusy):
            session.vacuum()
        reading.close()  # type: ignore[attr-defined]  # a generator
        assert len(contents(session, ITEMS)) == 1000
    stands(tmp_path)


def test_a_link_stays_a_link_and_the_mode_stays(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    with from_url(url(tmp_path / "real")).open() as session:
        written(session)
    file = tmp_path / "real" / "test.duckdb"
    file.chmod(0o640)
    (tmp_path / "test.duckdb").symlink_to(file)
    with from_url(url(tmp_path)).open() as session:
        session.vacuum()
    assert (tmp_path / "test.duckdb").is_symlink()
    assert file.stat().st_mode & 0o777 == 0o640
    stands(tmp_path / "real")


def test_indexes_and_types_of_people_survive(tmp_path: Path) -> None:
    with from_url(url(tmp_path)).open() as session:
        written(session)
    with duckdb.connect(tmp_path / "test.duckdb") as connection:
        connection.execute("CREATE TYPE mood AS ENUM ('well', 'ill')")
        connection.execute("CREATE TABLE theirs (a INTEGER PRIMARY KEY, m mood DEFAULT 'well', CHECK (a > 0))")
        connection.execute("CREATE INDEX by_mood ON theirs (m)")
        connection.execute("CREATE MACRO twice(a) AS a * 2")
        connection.execute("CREATE TABLE gone (a INTEGER)")
        connection.execute("CREATE VIEW broken AS SELECT * FROM gone")
        connection.execute("DROP TABLE gone")
    with from_url(url(tmp_path)).open() as session:
        session.vacuum()
    with duckdb.connect(tmp_path / "test.duckdb") as connection:
        connection.execute("INSERT INTO theirs (a) VALUES (1)")
        with pytest.raises(duckdb.ConstraintException):
            connection.execute("INSERT INTO theirs (a) VALUES (1)")
        assert connection.execute("SELECT m, twice(a) FROM theirs").fetchall() == [("well", 2)]
        assert connection.execute("SELECT index_name FROM duckdb_indexes()").fetchall() == [("by_mood",)]
