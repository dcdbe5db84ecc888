"""query() reads, and only reads, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from headrace.core.contracts import Session
from headrace.core.errors import HeadraceError

from .build import Writer, page, table
from .read import contents, fetch
from .target import DestinationTests, Target

LOG = table("log", "append", {"n": "int", "line": "string"})
WRITES = [
    "INSERT INTO log (n) VALUES (9)",
    "UPDATE log SET n = 9",
    "DELETE FROM log",
    "DROP TABLE log",
    "CREATE TABLE other (a integer)",
    "CREATE TEMP TABLE other (a integer)",
    "CREATE VIEW other AS SELECT 1",
    "ALTER TABLE log ADD COLUMN extra integer",
    "SELECT 1; DELETE FROM log",
    "COMMIT; DELETE FROM log",
    "ROLLBACK; BEGIN; DELETE FROM log",
    "BEGIN",
    "COMMIT",
    "/* SELECT */ DELETE FROM log",
    "WITH x AS (SELECT 1) DELETE FROM log",
    "WITH gone AS (DELETE FROM log RETURNING n) SELECT * FROM gone",
    "EXPLAIN ANALYZE DELETE FROM log",
    "TRUNCATE log",
    "VACUUM",
]
EXPORTS = [
    "ATTACH '{file}' AS other",
    "ATTACH DATABASE '{file}' AS other",
    "VACUUM INTO '{file}'",
    "COPY log TO '{file}'",
    "COPY (SELECT 1) TO '{file}'",
    "EXPORT DATABASE '{file}'",
    "COPY log TO PROGRAM 'cat > {file}'",
]
IMPORTS = [
    "SELECT * FROM read_csv('{file}')",
    "SELECT * FROM read_text('{file}')",
    "SELECT * FROM '{file}'",
    "SELECT readfile('{file}')",
    "SELECT load_extension('{file}')",
    "INSTALL httpfs",
    "LOAD '{file}'",
]
SETTINGS = ["PRAGMA user_version = 5", "PRAGMA journal_mode = delete", "SET threads = 1", "PRAGMA query_only = off"]
MISTAKES = ["SELEKT 1", "SELECT * FROM no_such_table", "SELECT no_such_column FROM log", "", "SELECT 1 +"]
QUESTIONS = [
    "SELECT '?' AS q, n FROM log WHERE n = ?",
    "SELECT 'it''s ?' AS q, n FROM log WHERE n = ?",
    'SELECT n AS "a?b", n FROM log WHERE n = ?',
    "SELECT 1 AS q, n FROM log -- really?\nWHERE n = ?",
    "SELECT 1 AS q, n FROM log /* why? */ WHERE n = ?",
    "SELECT '100%' AS q, n FROM log WHERE line LIKE 'line%' AND n = ?",
    "SELECT '%s' AS q, n % 100 FROM log WHERE n = ?",
    "SELECT ':x $1 {y}' AS q, n FROM log WHERE n = ?",
]


class Queries(DestinationTests):
    @pytest.fixture
    def log(self, session: Session) -> Session:
        rows = [{"n": n, "line": f"line {n}"} for n in range(300)]
        Writer(session).prepare(LOG).commit(page(1, LOG, rows))
        return session

    def test_what_writes_is_refused(self, log: Session) -> None:
        done = []
        for sql in WRITES:
            with suppress(HeadraceError):
                list(log.query(sql))
                done.append(sql)
            assert len(contents(log, LOG)) == 300, sql
            assert list(log.columns("other")) == [], sql
        assert done == []
        Writer(log).commit(page(2, LOG, [{"n": 300, "line": "still writable"}]))
        assert fetch(log, "SELECT count(*), max(n), min(n) FROM log") == [(301, 300, 0)]

    def test_no_file_is_written(self, log: Session, tmp_path: Path) -> None:
        file = tmp_path / "written"
        done = []
        for sql in EXPORTS:
            with suppress(HeadraceError):
                list(log.query(sql.format(file=file)))
                done.append(sql)
            assert not file.exists(), sql
        assert done == []
        assert len(contents(log, LOG)) == 300

    def test_no_file_is_read(self, log: Session, tmp_path: Path) -> None:
        file = tmp_path / "secret.csv"
        file.write_text("a,b\n1,2\n")
        done = []
        for sql in IMPORTS:
            with suppress(HeadraceError):
                list(log.query(sql.format(file=file)))
                done.append(sql)
        assert done == []

    def test_no_setting_is_changed(self, log: Session) -> None:
        """Refused, or without effect on the next statement: writing stays impossible."""
        for sql in SETTINGS:
            with suppress(HeadraceError):
                list(log.query(sql))
            with pytest.raises(HeadraceError):
                list(log.query("DELETE FROM log"))
        assert len(contents(log, LOG)) == 300

    def test_bad_sql_is_an_error_with_a_message(self, log: Session) -> None:
        for sql in MISTAKES:
            with pytest.raises(HeadraceError) as error:
                list(log.query(sql))
            assert error.value.message, sql
            assert fetch(log, "SELECT count(*) FROM log") == [(300,)]

    def test_values_are_bound(self, log: Session) -> None:
        sql = "SELECT n FROM log WHERE n = 7 AND coalesce(CAST(? AS varchar), 'null') <> 'nothing'"
        values: list[Any] = ["text", 'it\'s "x" ? %s', "", 5, -(2**62), 0.5, None, True]
        for value in values:
            assert fetch(log, sql, [value]) == [(7,)], value

    def test_placeholders_in_order(self, log: Session) -> None:
        assert fetch(log, "SELECT n FROM log WHERE n > ? AND line <> ? AND n < ?", [5, "line 6", 8]) == [(7,)]

    def test_a_question_mark_in_a_text_is_no_placeholder(self, log: Session) -> None:
        for sql in QUESTIONS:
            ((_, n),) = fetch(log, sql, [7])
            assert n == 7, sql

    @pytest.mark.parametrize("params", [[], [1, 2]], ids=["none", "two"])
    def test_the_wrong_number_of_values(self, log: Session, params: list[int]) -> None:
        with pytest.raises(HeadraceError):
            list(log.query("SELECT n FROM log WHERE n = ?", params))
        assert fetch(log, "SELECT count(*) FROM log") == [(300,)]

    def test_rows_come_in_batches(self, log: Session) -> None:
        found = log.query("SELECT a.n, b.line FROM log a, log b")
        assert isinstance(found, Iterator)
        first = next(found)
        assert 0 < first.num_rows < 90_000
        assert first.num_rows + sum(batch.num_rows for batch in found) == 90_000

    def test_a_column_that_begins_with_nulls_or_whole_numbers(self, log: Session) -> None:
        """Its type does not hang on what the first rows happen to hold."""
        found = log.query(
            "SELECT CASE WHEN a.n < 250 THEN NULL ELSE a.n END AS late, CASE WHEN a.n < 250 THEN 1 ELSE 0.5 END AS half "
            "FROM log a, log b ORDER BY a.n"
        )
        values = [row for batch in found for row in batch.to_pylist()]
        assert (values[0]["late"], float(values[0]["half"])) == (None, 1.0)
        assert (values[-1]["late"], float(values[-1]["half"])) == (299, 0.5)

    def test_no_rows(self, log: Session) -> None:
        assert fetch(log, "SELECT n FROM log WHERE n < 0") == []

    def test_a_query_that_is_abandoned_is_in_nobody_s_way(self, log: Session) -> None:
        found = log.query("SELECT a.n FROM log a, log b")
        next(found)
        Writer(log).commit(page(2, LOG, [{"n": 300, "line": "x"}]))
        assert fetch(log, "SELECT count(*) FROM log") == [(301,)]
        del found
        Writer(log).commit(page(3, LOG, [{"n": 301, "line": "x"}]))
        assert fetch(log, "SELECT count(*) FROM log") == [(302,)]

    def test_what_was_just_committed_is_seen(self, log: Session) -> None:
        for number in (2, 3):
            Writer(log).commit(page(number, LOG, [{"n": number, "line": "x"}]))
            assert fetch(log, "SELECT count(*) FROM log") == [(299 + number,)]

    def test_nothing_and_null(self, log: Session) -> None:
        assert fetch(log, "SELECT NULL AS empty, n FROM log WHERE n = 1") == [(None, 1)]

    def test_a_read_only_session_reads(self, target: Target) -> None:
        with target.destination.open() as session:
            Writer(session).prepare(LOG).commit(page(1, LOG, [{"n": 1, "line": "x"}]))
        with target.destination.open(read_only=True) as session:
            assert fetch(session, "SELECT n, line FROM log") == [(1, "x")]
            assert [each.page_number for each in session.checkpoints("run-1")] == [1]
            with pytest.raises(HeadraceError):
                Writer(session).commit(page(2, LOG, [{"n": 2, "line": "y"}]))
