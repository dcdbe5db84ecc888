"""sync: staging is replaced, then merged into a table that later steps write to as well."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from headrace.core.contracts import Session
from headrace.core.errors import HeadraceError

from .build import SECOND, START, Writer, page, table
from .read import Rows, rows
from .target import DestinationTests, Target

MOVIES = table(
    "raw_movies", "sync", {"id": "int", "title": "string", "poster": "string", "hash": "string"},
    key=("id",), hash_column="hash", staging="staging_movies",
    extra_columns={"to_download": "bool", "retries": "int", "path": "string"},
    on_insert={"to_download": True, "retries": 0, "path": None},
    on_change={"poster": {"to_download": True, "retries": 0}},
)  # fmt: skip
AUDITED = table(
    "audited", "sync", {"id": "int", "title": "string", "hash": "string"},
    key=("id",), hash_column="hash", staging="staging_audited",
    extra_columns={"state": "string", "n": "int"},
    on_insert={"state": "new", "n": 1}, on_change={"": {"state": "it's \"changed\" ?%s"}},
)  # fmt: skip


def movie(id: int, title: str, poster: str | None = "p") -> dict[str, Any]:
    return {"id": id, "title": title, "poster": poster, "hash": f"{title}/{poster}"}


def crawl(session: Session, number: int, *movies: dict[str, Any], complete: bool = True) -> None:
    """Run ``number``: the movies in two pages, then the end of the step."""
    run = f"run-{number}"
    writer = Writer(session, run).prepare(MOVIES)
    half = (len(movies) + 1) // 2
    at = START + number * 100 * SECOND
    writer.commit(page(1, MOVIES, movies[:half], run=run, at=at))
    writer.commit(page(2, MOVIES, movies[half:], run=run, at=at + SECOND))
    writer.finish(MOVIES, complete=complete, at=at + 2 * SECOND)


def target_rows(session: Session) -> Rows:
    return rows(session, "raw_movies", {**MOVIES.columns, **MOVIES.extra_columns})


def staged(session: Session) -> Rows:
    return rows(session, "staging_movies", {"id": "int", "title": "string"})


class Syncing(DestinationTests):
    def test_new_rows_get_the_values_of_on_insert(self, session: Session) -> None:
        crawl(session, 1, movie(1, "A"), movie(2, "B"))
        assert target_rows(session) == [(1, "A", "p", "A/p", True, 0, None), (2, "B", "p", "B/p", True, 0, None)]

    def test_the_target_is_untouched_until_the_step_ends(self, session: Session) -> None:
        Writer(session).prepare(MOVIES).commit(page(1, MOVIES, [movie(1, "A")]))
        assert target_rows(session) == []
        assert staged(session) == [(1, "A")]

    def test_changed_unchanged_and_missing_rows(self, target: Target) -> None:
        with target.destination.open() as session:
            crawl(session, 1, *(movie(n, "A") for n in range(1, 6)))
        target.execute("UPDATE raw_movies SET to_download = false, retries = 3, path = 'x'")
        with target.destination.open() as session:
            crawl(session, 2, movie(1, "A"), movie(2, "B"), movie(3, "A", "q"), movie(4, "A", None), movie(6, "F"))
            assert target_rows(session) == [
                (1, "A", "p", "A/p", False, 3, "x"),  # unchanged: not touched
                (2, "B", "p", "B/p", False, 3, "x"),  # changed, but not its poster
                (3, "A", "q", "A/q", True, 0, "x"),  # another poster: its flags start again
                (4, "A", None, "A/None", True, 0, "x"),  # a poster that went is a change too
                (5, "A", "p", "A/p", False, 3, "x"),  # missing: kept
                (6, "F", "p", "F/p", True, 0, None),
            ]
            assert [row[0] for row in staged(session)] == [1, 2, 3, 4, 6]

    def test_running_twice_changes_nothing(self, session: Session) -> None:
        movies = [movie(n, "A") for n in range(1, 4)]
        crawl(session, 1, *movies)
        before = target_rows(session)
        crawl(session, 2, *movies)
        assert target_rows(session) == before

    def test_an_unchanged_hash_is_believed(self, session: Session) -> None:
        crawl(session, 1, movie(1, "A"))
        crawl(session, 2, {**movie(1, "A"), "poster": "signed again"})
        assert target_rows(session) == [(1, "A", "p", "A/p", True, 0, None)]

    def test_any_change_sets_the_values_of_the_empty_name(self, session: Session) -> None:
        for number, titles in enumerate([("A", "B"), ("A", "C")], start=1):
            writer = Writer(session, f"run-{number}").prepare(AUDITED)
            found = [{"id": n, "title": title, "hash": title} for n, title in enumerate(titles)]
            writer.commit(page(1, AUDITED, found, run=writer.run, at=START + number * SECOND))
            writer.finish(AUDITED, at=START + number * 10 * SECOND)
        assert rows(session, "audited", ["id", "title", "state", "n"]) == [
            (0, "A", "new", 1), (1, "C", "it's \"changed\" ?%s", 1),
        ]  # fmt: skip

    @pytest.mark.parametrize("together", [True, False], ids=["one group", "two groups"])
    def test_a_key_twice_in_a_run_merges_once(self, session: Session, together: bool) -> None:
        writer = Writer(session).prepare(MOVIES)
        pages = [page(n, MOVIES, [movie(1, title)]) for n, title in ((1, "A"), (2, "B"))]
        for one in [pages] if together else [[each] for each in pages]:
            writer.commit(*one)
        writer.finish(MOVIES)
        assert target_rows(session) == [(1, "B", "p", "B/p", True, 0, None)]

    def test_a_resumed_sync_keeps_its_staged_rows(self, target: Target) -> None:
        with target.destination.open() as session:
            Writer(session).prepare(MOVIES).commit(page(1, MOVIES, [movie(1, "A")]))
        with target.destination.open() as session:
            writer = Writer(session).prepare(MOVIES)
            writer.commit(page(2, MOVIES, [movie(2, "B")]))
            writer.finish(MOVIES)
            assert [row[0] for row in target_rows(session)] == [1, 2]

    def test_an_abandoned_run_is_not_merged_by_the_next(self, session: Session) -> None:
        Writer(session).prepare(MOVIES).commit(page(1, MOVIES, [movie(1, "abandoned")]))
        crawl(session, 2, movie(2, "whole"))
        assert [row[0] for row in target_rows(session)] == [2]
        assert [row[0] for row in staged(session)] == [2]

    def test_a_run_that_is_overtaken_loses_nothing_in_silence_either(self, session: Session) -> None:
        """Another run took its staging table: what it had staged is merged all the same, or it fails."""
        first = Writer(session).prepare(MOVIES)
        first.commit(page(1, MOVIES, [movie(1, "before")]))
        crawl(session, 2, movie(5, "other"))
        with suppress(HeadraceError):
            first.commit(page(2, MOVIES, [movie(2, "after")]))
            first.finish(MOVIES)
            assert [row[0] for row in target_rows(session)] == [1, 2, 5]
