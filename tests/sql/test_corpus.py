"""Each construct of the corpus gives the same rows on every destination, or is refused by name before anything runs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace.core.contracts import Session
from headrace.core.errors import UsageError
from headrace.core.tables import Advance, Checkpoint, Group, StreamKey
from headrace.destinations import from_url
from headrace.pipeline.check import check_draft
from headrace.pipeline.load import parse
from headrace.steps.generic._transform import as_transform
from headrace.steps.generic.sql_transformer import SqlTransformer

from .corpus import COLUMNS, DESTINATIONS, Construct, constructs, fill, in_order, markdown, result


@pytest.fixture(scope="module", params=DESTINATIONS)
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Any]]:
    """A database of each kind with the table that the corpus reads."""
    url = f"{request.param}:///{tmp_path_factory.mktemp('corpus')}/corpus.db"
    if request.param == "postgresql":
        import psycopg

        url = request.getfixturevalue("postgres_server")
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute("DROP SCHEMA public CASCADE")
            admin.execute("CREATE SCHEMA public")
    destination = from_url(url)
    fill(destination)
    with destination.open() as session:
        yield request.param, (destination, session)


def run(session: Session, destination: Any, case: Construct, write: str = "overwrite") -> str:
    config = SqlTransformer(sql_template=case.sql, dialect=case.dialect, write=write)
    made = as_transform(
        config, f"r_{abs(hash((case.name, write)))}", session, destination.capabilities(), {}.__getitem__
    )
    key = StreamKey(f"run {case.name} {write}", "step", "#finish")
    session.commit(Group(key.run_id, advances=[Advance(None, Checkpoint(key, done=True))], transform=made))
    return made.table


@pytest.mark.parametrize("case", constructs(), ids=lambda case: case.name)
def test_construct(filled: Any, case: Construct) -> None:
    kind, (destination, session) = filled
    if kind in case.refused:
        with pytest.raises(UsageError) as refusal:
            run(session, destination, case)
        assert case.refused[kind].casefold() in str(refusal.value).casefold()
        return
    assert case.rows is not None
    assert result(session, run(session, destination, case), case.rows) == in_order(case.rows)


COLUMN_TYPES = {**COLUMNS, "id": "int", "qty": "int"}


@pytest.mark.parametrize("kind", DESTINATIONS)
def test_check_says_the_same_before_the_first_request(kind: str) -> None:
    """With nothing but the file: what is refused when the step runs is refused by name here, and nothing else."""
    capabilities = from_url("postgresql://localhost/x" if kind == "postgresql" else f"{kind}:///x").capabilities()
    columns = {name: {"path": name, "type": type} for name, type in COLUMN_TYPES.items()}
    crawl = {"url": "http://127.0.0.1:1/x", "tables": [{"table": "events", "columns": columns}]}
    for case in constructs():
        steps = [
            {"step": "crawl", "processor": "generic.api_extractor", "config": crawl},
            {
                "step": "made", "processor": "generic.sql_transformer",
                "config": {"dialect": case.dialect, "sql_template": case.sql},
            },
        ]  # fmt: skip
        found = check_draft(parse(json.dumps({"steps": steps}), "f.yml"), capabilities)
        if kind in case.refused:
            assert len(found) == 1, case.name
            assert case.refused[kind].casefold() in found[0].casefold(), case.name
            assert "steps.made.sql_template" in found[0]
        else:
            assert found == [], case.name


def test_the_docs_list_the_corpus() -> None:
    page = Path(__file__).parents[2] / "docs" / "sql-constructs.md"
    if os.environ.get("HEADRACE_UPDATE_SNAPSHOTS"):
        page.write_text(markdown())
    assert page.read_text() == markdown(), "HEADRACE_UPDATE_SNAPSHOTS=1 pytest tests/sql"


def test_there_are_sixty() -> None:
    found = constructs()
    assert len(found) >= 60
    assert {case.dialect for case in found} == {"bigquery", "snowflake", "postgresql"}
    assert set(COLUMNS) == {"id", "name", "amount", "qty", "active", "day", "at", "payload"}


def test_the_greatest_text_is_the_same_under_any_collation_of_the_database() -> None:
    """The server of these tests has only one; what is ordered says by what."""
    from headrace.sql.translate import read, translate

    query = read("SELECT GREATEST(name, 'b') AS a, LEAST(name, 'b') AS c FROM events", "bigquery")
    made = translate(query, "postgresql", columns={"events": {"name": "string"}}).sql
    assert made.count('COLLATE "C"') == 4


def test_how_a_database_writes_dates_does_not_count(postgres_server: str) -> None:
    import psycopg

    case = next(case for case in constructs() if case.name == "bigquery-timestamp-trunc-date-trunc")
    dates = Construct("dates", "", "bigquery", "SELECT CAST(day AS STRING) AS a FROM events WHERE id = 1", None, {})
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute("CREATE DATABASE dates")
        admin.execute("ALTER DATABASE dates SET DateStyle = 'SQL, DMY'")
    destination = from_url(postgres_server.rpartition("/")[0] + "/dates")
    fill(destination)
    with destination.open() as session:
        assert case.rows is not None
        assert result(session, run(session, destination, case), case.rows) == in_order(case.rows)
        assert result(session, run(session, destination, dates), []) == [["2024-01-31"]]


def test_a_whole_number_of_more_than_64_bits_is_no_float_on_sqlite(tmp_path: Path) -> None:
    from headrace.core.errors import CommitFailed

    big = Construct("big", "", "bigquery", "SELECT (id + 9223372036854775806) * 2 AS a FROM events", None, {})
    destination = from_url(f"sqlite:///{tmp_path}/big.db")
    fill(destination)
    with destination.open() as session, pytest.raises(CommitFailed):
        run(session, destination, big)


@pytest.mark.parametrize("dialect", ["bigquery", "postgresql", "duckdb", "sqlite"])
def test_nothing_is_in_an_empty_list(filled: Any, dialect: str) -> None:
    _, (destination, session) = filled
    for how, due in (("IN", 0), ("NOT IN", 4)):
        sql = f"SELECT COUNT(*) AS n FROM events WHERE name {how} ('{{none}}')"
        config = SqlTransformer(sql_template=sql, dialect=dialect)
        made = as_transform(config, "listed", session, destination.capabilities(), {"none": []}.__getitem__)
        found = [row["n"] for batch in session.query(made.select) for row in batch.to_pylist()]
        assert found == [due], (how, made.select)
