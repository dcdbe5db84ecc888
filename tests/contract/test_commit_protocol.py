"""Commits, faults, restarts and stale writers in any order leave what a small model says."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from headrace.core import faults
from headrace.core.contracts import Session
from headrace.core.errors import CommitFailed, Fenced
from headrace.core.tables import Group, StreamKey
from headrace.destinations import from_url
from headrace.testing.destination.atomicity import fail_at
from headrace.testing.destination.build import RAW, SECOND, START, Page, Writer, page, table
from headrace.testing.destination.model import expected
from headrace.testing.destination.read import contents

ITEMS = table("items", "merge", {"id": "int", "v": "int"}, key=("id",))
LOG = table("log", "append", {"id": "int", "v": "int"})
FIRST = table("first", "append", {"id": "int", "v": "int"}, key=("id",))
HISTORY = table("history", "scd2", {"id": "int", "v": "int"}, key=("id",))
SPECS = (ITEMS, LOG, FIRST, HISTORY)
SLICES = st.sampled_from(["a", "b"])
ROWS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), max_size=3, unique_by=lambda row: row[0])
POINTS = ["commit.begin", "commit.staged", "commit.before_commit", "commit.after_commit"]


class Protocol(RuleBasedStateMachine):
    """A crawl of two slices into a table of every disposition whose rows come page by page."""

    def __init__(self, empty: Callable[[Path], str]) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.destination = from_url(empty(self.folder))
        self.pages: list[Page] = []
        self.stale: list[Group] = []
        self.clock = 0
        self._open()
        Writer(self.session).prepare(*SPECS)

    def teardown(self) -> None:
        faults.install(None)
        self.context.__exit__(None, None, None)
        shutil.rmtree(self.folder)

    def _open(self) -> None:
        self.context = self.destination.open()
        self.session: Session = self.context.__enter__()

    def _next(self, slice: str, rows: list[tuple[int, int]]) -> Page:
        """The slice's next page, fetched at a time of its own; it writes to one table after the other."""
        self.clock += 1
        number = 1 + sum(one.key.slice == slice for one in self.pages)
        spec = SPECS[self.clock % len(SPECS)]
        found = [{"id": id, "v": v} for id, v in rows]
        return page(number, spec, found, slice=slice, at=START + self.clock * SECOND)

    def _commit(self, made: list[Page]) -> None:
        group = Writer(self.session).group(*made)
        self.session.commit(group)
        self.pages += sorted(made, key=lambda one: one.id)
        self.stale.append(group)

    @rule(slice=SLICES, rows=ROWS)
    def commit(self, slice: str, rows: list[tuple[int, int]]) -> None:
        self._commit([self._next(slice, rows)])

    @rule(first=ROWS, second=ROWS)
    def commit_both(self, first: list[tuple[int, int]], second: list[tuple[int, int]]) -> None:
        self._commit([self._next("b", first), self._next("a", second)])

    @rule(slice=SLICES, rows=ROWS, nth=st.integers(1, 25), reopen=st.booleans())
    def fail_at_a_statement(self, slice: str, rows: list[tuple[int, int]], nth: int, reopen: bool) -> None:
        made = self._next(slice, rows)
        faults.install(fail_at("commit.sql", nth))
        with suppress(faults.InjectedFault, CommitFailed):
            self._commit([made])
        faults.install(None)
        if reopen:
            self.reopen()

    @rule(slice=SLICES, rows=ROWS, point=st.sampled_from(POINTS), reopen=st.booleans())
    def fail_at_a_point(self, slice: str, rows: list[tuple[int, int]], point: str, reopen: bool) -> None:
        made = self._next(slice, rows)
        faults.install(fail_at(point, 1))
        with pytest.raises((faults.InjectedFault, CommitFailed)):
            self._commit([made])
        faults.install(None)
        if point == "commit.after_commit":
            self.pages.append(made)
        if reopen:
            self.reopen()

    @precondition(lambda self: self.stale)
    @rule(data=st.data())
    def a_stale_writer_is_fenced(self, data: st.DataObject) -> None:
        with pytest.raises(Fenced):
            self.session.commit(data.draw(st.sampled_from(self.stale)))

    @rule()
    def reopen(self) -> None:
        self.context.__exit__(None, None, None)
        self._open()
        Writer(self.session).prepare(*SPECS)

    @invariant()
    def the_database_is_the_model(self) -> None:
        for spec in SPECS:
            assert contents(self.session, spec) == expected(spec, self.pages), spec.name
        assert sorted(raw.page_id for raw in self.session.raw_pages(RAW)) == sorted(one.id for one in self.pages)
        for slice in ("a", "b"):
            stored = self.session.checkpoint(StreamKey("run-1", "extract", slice))
            count = sum(one.key.slice == slice for one in self.pages)
            assert (stored.page_number if stored else 0) == count


def _file(scheme: str) -> Callable[[Path], str]:
    return lambda folder: f"{scheme}:///{folder}/test.db"


def _emptied(url: str) -> Callable[[Path], str]:
    def empty(_: Path) -> str:
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute("DROP SCHEMA public CASCADE")
            admin.execute("CREATE SCHEMA public")
        return url

    return empty


@pytest.mark.parametrize("scheme", ["duckdb", "sqlite", "postgresql"])
def test_any_order_of_commits_faults_and_restarts(scheme: str, request: pytest.FixtureRequest) -> None:
    empty = _emptied(request.getfixturevalue("postgres_url")) if scheme == "postgresql" else _file(scheme)
    run_state_machine_as_test(
        lambda: Protocol(empty),
        settings=settings(
            max_examples=20 if scheme == "sqlite" else 6, stateful_step_count=12, deadline=None, derandomize=True, database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
