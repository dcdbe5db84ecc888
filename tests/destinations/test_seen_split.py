"""DuckDB: a file in which ``_seen`` is one table, as earlier versions made it, is split when it is opened to be written."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from headrace.core.contracts import Session
from headrace.core.errors import CannotOpen
from headrace.destinations import from_url
from headrace.testing.destination.build import RAW, SECOND, START, Writer, page, table
from headrace.testing.destination.read import fetch
from headrace.testing.destination.runs import record

ITEMS = table("items", "merge", {"org": "string", "id": "int", "text": "string"}, key=["org", "id"], removed_share=0.3)
LOG = table("log", "append", {"id": "int"}, key=["id"])
STATE = (
    "SELECT scope, org, id, run_id, _page, _record, missed, missed_run, removed_at, removed_run, row_hash "
    "FROM items_seen ORDER BY ALL",
    "SELECT scope, id, run_id, _page, _record FROM log_seen ORDER BY ALL",
    "SELECT * FROM items_current ORDER BY ALL",
    "SELECT * FROM items_removed ORDER BY ALL",
    'SELECT "table", scope, run_id, missing, known, status FROM headrace_removals ORDER BY ALL',
)


def crawl(session: Session, number: int) -> None:
    """Rows go, come again, and are too many to go at once."""
    scope, run = "ab"[number % 2], f"run-{number}"
    at = START + number * 100 * SECOND
    session.prepare([ITEMS, LOG], [RAW])
    session.save_run(record(number, started_at=at, now=at))
    writer = Writer(session, run, scope)
    ids = [n for n in range(10) if n % 5 != number // 2 % 5 and (n < 5 or number % 6 != 5)]
    items = [{"org": scope if n % 2 else "both", "id": n, "text": f"t{n}"} for n in ids]
    writer.commit(page(1, ITEMS, items, run=run, at=at))
    writer.commit(page(2, LOG, [{"id": number}, {"id": 0}], run=run, at=at + SECOND))
    writer.finish(ITEMS, complete=True, at=at + 10 * SECOND)


def state(session: Session) -> list[list[tuple[object, ...]]]:
    return [fetch(session, sql) for sql in STATE]


def as_it_was(file: Path) -> None:
    """Each ``_seen`` the table that earlier versions made."""
    with duckdb.connect(str(file)) as db:
        for name in ("items", "log"):
            db.execute(f"CREATE TABLE old AS SELECT * FROM {name}_seen")
            db.execute(f"DROP VIEW {name}_seen")
            db.execute(f"DROP TABLE {name}_sighted")
            db.execute(f"ALTER TABLE old RENAME TO {name}_seen")
        db.execute("DROP TABLE headrace_sightings")


def kinds(file: Path) -> dict[str, str]:
    with duckdb.connect(str(file), read_only=True) as db:
        return dict(db.execute("SELECT table_name, table_type FROM information_schema.tables").fetchall())


def test_what_it_knows_stays_and_goes_on(tmp_path: Path) -> None:
    old, new = tmp_path / "old.duckdb", tmp_path / "new.duckdb"
    for file in (old, new):
        with from_url(f"duckdb:///{file}").open() as session:
            for number in range(1, 8):
                crawl(session, number)
            known = state(session)
    held = [row for row in known[4] if row[5] == "held"]
    gone = {row[7] for row in known[0]} - {None}
    assert held
    assert gone
    assert known[3]
    assert any(row[8] for row in known[0])
    as_it_was(old)
    assert kinds(old)["items_seen"] == "BASE TABLE"
    with from_url(f"duckdb:///{old}").open(read_only=True) as session:
        assert state(session) == known
    assert kinds(old)["items_seen"] == "BASE TABLE"
    with from_url(f"duckdb:///{old}").open() as session:
        assert state(session) == known
    assert {kinds(old)[name] for name in ("items_seen", "log_seen")} == {"VIEW"}
    ends = []
    for file in (old, new):
        with from_url(f"duckdb:///{file}").open() as session:
            session.decide_removals("items", str(held[0][2]), confirm=True)
            for number in range(8, 11):
                crawl(session, number)
            session.vacuum()
            session.purge(table="items", removed=True)
            crawl(session, 11)
            ends.append(state(session))
    assert ends[0] == ends[1] != known


def test_one_that_cannot_be_split_stays_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "old.duckdb"
    with from_url(f"duckdb:///{file}").open() as session:
        crawl(session, 1)
        known = state(session)
    as_it_was(file)
    with duckdb.connect(str(file)) as db:
        db.execute("CREATE TABLE items_sighted (mine INTEGER)")
    with pytest.raises(CannotOpen, match="items_seen"), from_url(f"duckdb:///{file}").open():
        pass
    with from_url(f"duckdb:///{file}").open(read_only=True) as session:
        assert state(session) == known
    assert kinds(file)["items_seen"] == "BASE TABLE"
