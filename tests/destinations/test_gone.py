"""A database that goes away between two commits: an error of ours that says so, not the driver's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from headrace.core.errors import DestinationError
from headrace.core.tables import RunRecord, StreamKey
from headrace.destinations import from_url
from headrace.destinations._session import SqlSession
from headrace.testing.crash.strikes import end_sessions

RECORD = RunRecord("r", "p", "o", "failed", {}, {}, "", "", "", 0, 0)
WORK: list[Callable[[SqlSession], object]] = [
    lambda session: session.save_run(RECORD),
    lambda session: session.run("r"),
    lambda session: session.checkpoint(StreamKey("r", "s")),
    lambda session: session.slices("r", "s"),
    lambda session: session.columns("t"),
]


@pytest.fixture(params=["duckdb", "sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return f"{request.param}:///{tmp_path}/gone.db"


@pytest.mark.parametrize("work", WORK, ids=["save_run", "run", "checkpoint", "slices", "columns"])
def test_what_is_asked_of_a_database_that_is_gone(url: str, work: Callable[[SqlSession], object]) -> None:
    with from_url(url).open() as session:
        assert isinstance(session, SqlSession)
        session.save_run(RECORD)
        if url.startswith("postgresql"):
            end_sessions(url)
        else:
            session.db.connection.close()  # type: ignore[attr-defined]  # each driver's own
        with pytest.raises(DestinationError, match="database does not answer"):
            work(session)
