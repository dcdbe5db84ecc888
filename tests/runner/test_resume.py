"""What a run is called and what it asks when it is called again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

import headrace
from headrace.core.errors import PathNotFound, RequestFailed, TooManyRejected

PAGES = {"type": "cursor", "param": "cursor", "response_path": "next", "more_path": "more"}


def table(name: str, **more: Any) -> dict[str, Any]:
    return {"tables": [{"table": name, "columns": {"id": "id"}, **more}]}


def rows(*ids: Any) -> Any:
    return {"data": [{"id": id} for id in ids]}


def test_a_bad_answer_that_was_kept_is_asked_for_again(place: Any, api: Any) -> None:
    """The answer can be decoded: what is wrong shows only in the paging."""
    healthy = {"1": {**rows(1), "more": True, "next": "2"}, "2": {**rows(2), "more": False, "next": None}}
    answers = {"1": healthy["1"], "2": {**rows(), "more": True, "next": None}}
    api.answer = lambda path, query: answers[query.get("cursor", "1")]
    file = place.file({"url": "/x", "pagination": PAGES, **table("t")})
    with pytest.raises(PathNotFound, match="although 'more' says that there are more"):
        place.run(file, run_id="r")
    answers |= healthy
    with pytest.raises(PathNotFound, match="although 'more' says"):
        place.run(file, run_id="r", offline=True)  # there is nothing but what was kept
    assert place.run(file, run_id="r").status == "done"
    assert place.column("SELECT id FROM t ORDER BY id") == [1, 2]
    assert api.asked == ["/x", "/x?cursor=2", "/x?cursor=2"]


def test_too_many_rejected_records_stay_too_many(place: Any, api: Any) -> None:
    """A resume that has nothing left to fetch must not turn the failure into success."""
    api.answer = lambda path, query: {"data": [{"id": f"text {n}"} for n in range(300)]}
    file = place.file({"url": "/x", "tables": [{"table": "t", "columns": {"id": {"path": "id", "type": "int"}}}]})
    for _ in range(2):
        with pytest.raises(TooManyRejected, match="300 of 300 records could not be stored"):
            place.run(file, run_id="r")
    assert len(api.asked) == 1
    assert place.column("SELECT status FROM headrace_runs") == ["failed"]


class TestSomeSteps:
    @pytest.fixture
    def file(self, place: Any, api: Any) -> Any:
        api.answer = lambda path, query: rows(path)
        return place.file({"url": "/a", **table("ta")}, {"url": "/b", **table("tb")}, {"url": "/c", **table("tc")})

    def test_a_run_of_some_steps_is_not_done_with_the_others(self, place: Any, api: Any, file: Any) -> None:
        assert place.run(file, run_id="r", steps=["a"]).status == "done"
        assert place.run(file, run_id="r", steps=["a"]).pages == 0
        assert place.run(file, run_id="r", from_step="b").pages == 2
        assert place.run(file, run_id="r").pages == 0
        assert api.asked == ["/a", "/b", "/c"]

    def test_resume_goes_on_with_the_chosen_steps_alone(self, place: Any, api: Any, file: Any) -> None:
        api.answer = lambda path, query: (400, {})
        with pytest.raises(RequestFailed):
            place.run(file, run_id="r", steps=["b"])
        api.answer = lambda path, query: rows(path)
        assert place.resume("r").status == "done"
        assert api.asked == ["/b", "/b"]

    def test_a_rebuild_leaves_the_rows_of_steps_that_a_run_left_out(self, place: Any, api: Any) -> None:
        api.answer = lambda path, query: rows(path)
        key = {"key": ["id"]}
        file = place.file({"url": "/a", **table("ta", write="replace")}, {"url": "/b", **table("tb", **key)})
        place.run(file, run_id="whole")
        place.run(file, run_id="part", steps=["b"])
        api.answer = lambda path, query: rows("/a2") if path == "/a" else (400, {})
        with pytest.raises(RequestFailed):
            place.run(file, run_id="failed in b")  # its step a was complete
        assert place.column("SELECT id FROM ta") == ["/a2"]
        headrace.replay(str(file), destination=place.url)
        assert place.column("SELECT id FROM ta") == ["/a2"]
        assert place.column("SELECT id FROM tb_current") == ["/b"]
        assert [name for name in place.column("SHOW TABLES") if "_new_" in name or "_rebuild" in name] == []


class TestIncremental:
    @pytest.fixture
    def crawl(self, place: Any, api: Any) -> Callable[..., Any]:
        """An API of dates after ``since``; each page has two."""
        self.dates = ["2026-01-01", "2026-01-02", "2026-01-03"]
        self.broken = ""

        def answer(path: str, query: Mapping[str, str]) -> Any:
            if query["page"] == self.broken:
                return 400, {}
            found = [date for date in self.dates if date > query["since"]]
            at = 2 * int(query["page"]) - 2
            return {"data": [{"id": date, "at": date} for date in found[at : at + 2]]}

        api.answer = answer
        mark = {"param": "since", "cursor_path": "at", "start": "2000-01-01"}
        config = {"url": "/a", "pagination": {"type": "page"}, "incremental": mark, **table("t")}
        file = place.file(config, {**config, "url": "/b", **table("u")})
        return lambda run_id, **options: place.run(file, run_id=run_id, **options)

    def test_nothing_new_is_neither_suspect_nor_a_new_beginning(self, place: Any, api: Any, crawl: Any) -> None:
        for number in range(4):
            assert crawl(f"r{number}").status == "done"
        assert sorted(place.column("SELECT id FROM t")) == self.dates
        assert api.asked[-1] == "/b?since=2026-01-03&page=1"

    def test_a_run_of_another_step_does_not_move_a_mark_back(self, place: Any, api: Any, crawl: Any) -> None:
        crawl("r1")
        api.asked.clear()
        self.dates.append("2026-01-04")
        assert crawl("r2", steps=["b"]).status == "done"
        assert crawl("r3").status == "done"
        assert {asked.partition("&")[0] for asked in api.asked if "/a" in asked} == {"/a?since=2026-01-03"}

    def test_a_resumed_run_asks_from_the_mark_it_began_with(self, place: Any, api: Any, crawl: Any) -> None:
        """Another run that completes in between must not shift the pages under it."""
        self.broken = "2"
        with pytest.raises(RequestFailed):
            crawl("slow", steps=["a"])
        self.broken = ""
        assert crawl("quick", steps=["a"]).status == "done"
        assert crawl("slow", steps=["a"]).status == "done"
        assert sorted(place.column("SELECT id FROM t")) == sorted(2 * self.dates)


class TestAccept:
    def test_it_needs_no_credential(self, place: Any, api: Any) -> None:
        api.answer = lambda path, query: {**rows(1), "total": 2}
        paging = {"type": "offset", "param": "offset", "total_path": "total"}
        config = {"url": "/a", "auth": {"type": "bearer", "provider": "ACME"}, "pagination": paging, **table("t")}
        api.answer = lambda path, query: {**(rows(1) if query["offset"] == "0" else rows()), "total": 2}
        assert place.run(place.file(config), run_id="r", secrets={"ACME": "s3cret"}).status == "suspect"
        asked = len(api.asked)
        assert headrace.accept("r", destination=place.url, state=place.state).status == "done"
        assert len(api.asked) == asked

    def test_it_takes_one_step_and_leaves_the_next_to_resume(self, place: Any, api: Any) -> None:
        """Else the next would run offline and fail, or its own doubts would be accepted unseen."""

        def answer(path: str, query: Mapping[str, str]) -> Any:
            return {**(rows(path) if query["offset"] == "0" else rows()), "total": 2}

        api.answer = answer
        paging = {"type": "offset", "param": "offset", "total_path": "total"}
        file = place.file(
            {"url": "/a", "pagination": paging, **table("ta")}, {"url": "/b", "pagination": paging, **table("tb")}
        )
        assert place.run(file, run_id="r").status == "suspect"
        taken = headrace.accept("r", destination=place.url, state=place.state)
        assert (taken.status, taken.exit_code) == ("partial", 3)
        assert taken.error == "step a is accepted; step b has not run yet"
        assert place.resume("r").status == "suspect"
        assert place.column("SELECT id FROM tb") == ["/b"]
        assert headrace.accept("r", destination=place.url, state=place.state).status == "done"


def test_an_api_that_became_empty_is_suspect_once(place: Any, api: Any) -> None:
    file = place.file({"url": "/x", **table("t", write="replace")})
    assert place.run(file).status == "done", "empty from the first is fine"
    api.answer = lambda path, query: rows(1)
    assert place.run(file).status == "done"
    api.answer = lambda path, query: rows()
    result = place.run(file, run_id="empty")
    assert (result.status, result.exit_code) == ("suspect", 3)
    assert "no record at all" in result.error
    assert place.column("SELECT id FROM t") == [1]
    assert headrace.accept("empty", destination=place.url, state=place.state).status == "done"
    assert place.column("SELECT id FROM t") == []
    assert place.run(file).status == "done"
