"""SQL steps: the rows of a SELECT and the step's mark are one commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from headrace.core import faults
from headrace.core.contracts import Session
from headrace.core.errors import CommitFailed, DestinationError, HeadraceError
from headrace.core.tables import Advance, Checkpoint, Group, StreamKey, Transform

from .atomicity import fail_at
from .build import Writer, page, table
from .target import DestinationTests

THINGS = table("things", "append", {"id": "bigint", "name": "string", "amount": "float"}, membership=False)
SELECT = 'SELECT "id", "name" FROM "things"'
EVERYTHING = 'SELECT * FROM "made"'


def step(transform: Transform, run: str = "run-1") -> Group:
    """The commit of a SQL step."""
    mark = Checkpoint(StreamKey(run, "sql", "#finish"), 0, None, True, "token", memo={"at": 1})
    return Group(run, "scope", advances=[Advance(None, mark)], transform=transform)


def made(session: Session, sql: str = EVERYTHING) -> list[dict[str, Any]]:
    return sorted((row for batch in session.query(sql) for row in batch.to_pylist()), key=repr)


def having(session: Session, rows: Sequence[Mapping[str, Any]], number: int = 1) -> None:
    Writer(session).prepare(THINGS).commit(page(number, THINGS, rows))


TWO = [{"id": 1, "name": "a", "amount": 1.5}, {"id": 2, "name": "b", "amount": 2.5}]
MADE = [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]


class Transforming(DestinationTests):
    @pytest.fixture(autouse=True)
    def _speaks_sql(self, request: pytest.FixtureRequest, target: Any) -> None:
        own = request.function.__qualname__.startswith("Transforming.")  # the suite has the tests of all concerns
        if own and not target.destination.capabilities().sql:
            pytest.skip("this destination has no SQL steps")

    def test_rows_and_mark_appear_together(self, session: Session) -> None:
        having(session, TWO)
        receipt = session.commit(step(Transform("sql", "made", SELECT, "overwrite")))
        assert receipt.rows == {"made": 2}
        assert made(session) == MADE
        mark = session.checkpoint(StreamKey("run-1", "sql", "#finish"))
        assert mark is not None
        assert (mark.done, mark.rows, mark.memo) == (True, 2, {"at": 1, "rows": {"made": 2}})
        assert session.columns("made") == {"id": "bigint", "name": "string"}

    @pytest.mark.parametrize("write", ["overwrite", "append", "merge"])
    def test_fault_at_every_statement_of_a_step(self, session: Session, write: Any) -> None:
        having(session, TWO)
        key = ("id",) if write == "merge" else ()
        session.commit(step(Transform("sql", "made", SELECT, write, key), run="run-0"))
        having(session, [{"id": 3, "name": "c"}], 2)
        more = Transform("sql", "made", 'SELECT "id", "name", "amount" FROM "things"', write, key)
        before, columns = made(session), session.columns("made")
        passed = False
        for nth in range(1, 100):
            faults.install(fail_at("commit.sql", nth))
            try:
                session.commit(step(more))
                passed = True
            except (faults.InjectedFault, CommitFailed):
                faults.install(None)
                assert made(session) == before, f"statement {nth} failed and left rows"
                assert session.columns("made") == columns
                assert session.checkpoint(StreamKey("run-1", "sql", "#finish")) is None
            finally:
                faults.install(None)
            if passed:
                break
        assert passed
        assert nth > 5
        assert len(made(session)) == (5 if write == "append" else 3)

    def test_an_overwritten_table_has_the_columns_of_the_result(self, session: Session) -> None:
        having(session, TWO)
        session.commit(step(Transform("sql", "made", SELECT, "overwrite")))
        other = 'SELECT "name", "amount" AS "id" FROM "things" WHERE "id" = 2'
        session.commit(step(Transform("sql", "made", other, "overwrite"), "run-2"))
        assert made(session) == [{"name": "b", "id": 2.5}]
        assert session.columns("made") == {"name": "string", "id": "float"}

    def test_a_step_may_read_its_own_table(self, session: Session) -> None:
        having(session, TWO)
        session.commit(step(Transform("sql", "made", SELECT, "overwrite")))
        own = 'SELECT "id" + 10 AS "id", "name" FROM "made" UNION ALL SELECT "id", "name" FROM "made"'
        session.commit(step(Transform("sql", "made", own, "overwrite"), "run-2"))
        assert [row["id"] for row in made(session)] == [1, 11, 12, 2]

    def test_merge_replaces_by_key(self, session: Session) -> None:
        having(session, TWO)
        session.commit(step(Transform("sql", "made", SELECT, "merge", ("id",))))
        again = """SELECT "id" + 1 AS "id", 'new' AS "name" FROM "things" """
        session.commit(step(Transform("sql", "made", again, "merge", ("id",)), "run-2"))
        assert made(session) == [{"id": 1, "name": "a"}, {"id": 2, "name": "new"}, {"id": 3, "name": "new"}]

    @pytest.mark.parametrize("doubled", ['SELECT 1 AS "id" FROM "things"', """SELECT CAST(NULL AS INTEGER) AS "id" """])
    def test_merge_refuses_rows_that_their_key_does_not_tell_apart(self, session: Session, doubled: str) -> None:
        having(session, TWO)
        with pytest.raises(DestinationError, match="rows of the result have no key, or one that another row has too"):
            session.commit(step(Transform("sql", "made", doubled, "merge", ("id",))))
        assert not session.columns("made")

    def test_new_columns_are_added(self, session: Session) -> None:
        having(session, TWO)
        session.commit(step(Transform("sql", "made", SELECT, "append")))
        session.commit(step(Transform("sql", "made", 'SELECT "id", "amount" FROM "things"', "append"), "run-2"))
        assert [(row["id"], row["name"], row["amount"]) for row in made(session)] == [
            (1, "a", None), (1, None, 1.5), (2, "b", None), (2, None, 2.5),
        ]  # fmt: skip

    def test_a_column_never_takes_what_would_change_in_it(self, session: Session) -> None:
        having(session, TWO)
        session.commit(step(Transform("sql", "made", SELECT, "append")))
        wrong = 'SELECT "amount" AS "id", "name" FROM "things"'
        with pytest.raises(DestinationError, match="column 'id' of made is bigint, and that of the result is float"):
            session.commit(step(Transform("sql", "made", wrong, "append"), "run-2"))
        assert made(session) == MADE

    def test_an_empty_result_is_a_table(self, session: Session) -> None:
        having(session, [])
        session.commit(step(Transform("sql", "made", SELECT, "overwrite")))
        assert made(session) == []
        having(session, TWO, 2)
        session.commit(step(Transform("sql", "made", SELECT, "append"), "run-2"))
        assert made(session) == MADE

    def test_a_view_shows_what_there_is(self, session: Session) -> None:
        having(session, TWO[:1])
        for run in ("run-1", "run-2"):
            assert session.commit(step(Transform("sql", "made", SELECT, "view"), run)).rows == {"made": 0}
        having(session, TWO[1:], 2)
        assert made(session) == MADE
        session.commit(step(Transform("sql", "made", SELECT, "overwrite"), "run-3"))
        having(session, [{"id": 3}], 3)
        assert made(session) == MADE

    def test_views_on_a_table_stay(self, session: Session) -> None:
        having(session, TWO)
        session.commit(step(Transform("sql", "made", SELECT, "overwrite")))
        session.commit(step(Transform("top", "above", 'SELECT "name" FROM "made"', "view"), "run-2"))
        wider = 'SELECT "name", "id", "amount" FROM "things"'
        session.commit(step(Transform("sql", "made", wider, "overwrite"), "run-3"))
        assert made(session, 'SELECT "name" FROM "above"') == [{"name": "a"}, {"name": "b"}]

    def test_what_others_made_is_left_alone(self, target: Any) -> None:
        with target.destination.open() as session:
            having(session, TWO)
        target.execute('CREATE TABLE "made" ("precious" INTEGER)')
        target.execute('INSERT INTO "made" VALUES (42)')
        with target.destination.open() as session:
            for write in ("overwrite", "view"):
                with pytest.raises(HeadraceError, match="there is a table made"):
                    session.commit(step(Transform("sql", "made", SELECT, write)))
            assert made(session) == [{"precious": 42}]
            with pytest.raises(DestinationError, match="the table things is filled from an API"):
                session.commit(step(Transform("sql", "things", SELECT, "append")))

    def test_a_select_that_fails_leaves_everything(self, session: Session) -> None:
        having(session, TWO)
        session.commit(step(Transform("sql", "made", SELECT, "overwrite")))
        with pytest.raises(CommitFailed, match="nowhere"):
            session.commit(step(Transform("sql", "made", 'SELECT "id" FROM "nowhere"', "overwrite"), "run-2"))
        assert made(session) == MADE
        assert session.checkpoint(StreamKey("run-2", "sql", "#finish")) is None

    def test_the_types_that_are_told_are_kept(self, session: Session) -> None:
        having(session, TWO)
        text = """SELECT CAST(NULL AS VARCHAR) AS "day", "id" FROM "things" """
        told = Transform("sql", "made", text, "overwrite", types={"day": "string", "id": "bigint"})
        session.commit(step(told))
        assert session.columns("made") == {"day": "string", "id": "bigint"}

    def test_a_step_is_done_once(self, session: Session) -> None:
        having(session, TWO)
        group = step(Transform("sql", "made", SELECT, "append"))
        session.commit(group)
        with pytest.raises(DestinationError):
            session.commit(replace(group))
        assert made(session) == MADE
