"""Every destination keeps the contract. A new one adds its class here."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import duckdb
import psycopg
import pytest

from headrace.destinations import from_url
from headrace.testing.destination.archive import Archive
from headrace.testing.destination.values import Values
from headrace.testing.destination_suite import DestinationSuite, Target


class TestDuckDB(DestinationSuite):
    def make(self, folder: Path) -> Target:
        file = folder / "test.duckdb"

        def execute(sql: str) -> None:
            with duckdb.connect(file) as connection:
                connection.execute(sql)

        return Target(from_url(f"duckdb:///{file}"), execute, size=lambda: file.stat().st_size)


class TestSQLite(DestinationSuite):
    def make(self, folder: Path) -> Target:
        file = folder / "test.sqlite"

        def execute(sql: str) -> None:
            with closing(sqlite3.connect(file, isolation_level=None)) as connection:
                connection.execute(sql)

        return Target(
            from_url(f"sqlite:///{file}"),
            execute,
            tables="SELECT name FROM sqlite_master",
            size=lambda: file.stat().st_size,
        )


class TestPostgreSQL(DestinationSuite):
    @pytest.fixture
    def target(self, postgres_url: str) -> Target:
        def execute(sql: str) -> None:
            with psycopg.connect(postgres_url, autocommit=True) as connection:
                connection.execute(sql.encode())

        def size() -> int:
            with psycopg.connect(postgres_url, autocommit=True) as connection:
                row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
                return int(row[0]) if row else 0

        return Target(from_url(postgres_url), execute, size=size)


def no_sql(sql: str) -> None:
    pytest.fail("nobody changes staged files by SQL")


class TestFile(DestinationSuite):
    def make(self, folder: Path) -> Target:
        return Target(from_url(f"file:///{folder}/stage"), no_sql)


@pytest.mark.cloud
class TestS3(DestinationSuite):
    @pytest.fixture
    def target(self, s3_bucket: tuple[str, str]) -> Target:
        server, bucket = s3_bucket
        return Target(from_url(f"s3://{bucket}/stage?endpoint={server}"), no_sql)


class TestParquet(Values, Archive):
    def make(self, folder: Path) -> Target:
        return Target(from_url(f"file:///{folder}/stage?format=parquet"), no_sql)
