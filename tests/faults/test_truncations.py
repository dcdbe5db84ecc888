"""What an API can leave out without a word: each kind is caught, said with what to set, and no alarm once that is set
and right."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.runner.conftest import Api, Place, api, place

import headrace

__all__ = ["api", "place"]  # fixtures
THERE = 23
Page = Callable[[Mapping[str, str]], Any]


def rows(first: int, after: int) -> list[dict[str, int]]:
    return [{"id": n} for n in range(first, min(after, THERE))]


@dataclass(frozen=True)
class Kind:
    """A way to lose records: what the API answers, how it is asked, and what the run says. ``remedy`` changes the
    pagination (or, under ``config``, the step) where what was seen is right."""

    name: str
    answer: Page
    pagination: dict[str, Any]
    seen: str
    remedy: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    status: str = "suspect"


def at(query: Mapping[str, str], name: str, first: int = 0) -> int:
    return int(query.get(name, first))


def cursor_ends_early(query: Mapping[str, str]) -> Any:
    """After two pages of ten the cursor is left out."""
    start = at(query, "cursor")
    return {"data": rows(start, start + 10)} | ({"next": "10"} if start == 0 else {})


def flag_without_cursor(query: Mapping[str, str]) -> Any:
    start = at(query, "cursor")
    return {"data": rows(start, start + 10), "next": "10" if start == 0 else None, "has_more": start < 20}


def neither(query: Mapping[str, str]) -> Any:
    start = at(query, "cursor")
    return {"data": rows(start, start + 10)} | ({"next": "10", "more": True} if start == 0 else {})


def link_ends_early(query: Mapping[str, str]) -> Any:
    start = at(query, "cursor")
    return {"data": rows(start, start + 10)} | ({"next": "/items?cursor=10&limit=10"} if start == 0 else {})


def capped_pages(query: Mapping[str, str]) -> Any:
    """Asked for ten, the server gives four."""
    start = at(query, "offset")
    return {"data": rows(start, start + 4), "has_more": start + 4 < THERE}


def capped_numbers(query: Mapping[str, str]) -> Any:
    start = 4 * (at(query, "page", 1) - 1)
    return {"data": rows(start, start + 4), "paging": {"hasNext": start + 4 < THERE}}


def total_not_reached(query: Mapping[str, str]) -> Any:
    start = at(query, "offset")
    return {"data": rows(start, start + 10) if start < 10 else [], "count": THERE}


def total_on_a_cursor(query: Mapping[str, str]) -> Any:
    start = at(query, "cursor")
    return {"data": rows(start, start + 10), "next": "10" if start == 0 else None, "count": THERE}


def empty_with_more(query: Mapping[str, str]) -> Any:
    start = at(query, "offset")
    return {"data": rows(start, start + 10) if start < 20 else [], "more": True}


def error_and_no_records(query: Mapping[str, str]) -> Any:
    start = at(query, "offset")
    return {"data": rows(start, start + 10)} if start < 20 else {"data": [], "error": "shard 3 timed out"}


def repeated(query: Mapping[str, str]) -> Any:
    """The page parameter has no effect after the first two pages."""
    number = min(at(query, "page", 1), 2)
    return {"data": rows(10 * (number - 1), 10 * number), "pages": 3}


def looping(query: Mapping[str, str]) -> Any:
    return {"data": rows(0, 10), "next": "10"}


def hidden_paging(query: Mapping[str, str]) -> Any:
    return {"data": rows(0, 10), "meta": {"next_page_token": "abc"}}


def nothing_any_more(query: Mapping[str, str]) -> Any:
    return {"data": []}


def lost_path(query: Mapping[str, str]) -> Any:
    return {"data": rows(0, 10), "paging": {"next_cursor": "10"}}


def lies_about_the_end(query: Mapping[str, str]) -> Any:
    """One of the answers of a long list is a 404 that means trouble, not the end."""
    number = at(query, "page", 1)
    return (404, {}) if number == 1 else {"data": []}


def half_a_page(query: Mapping[str, str]) -> Any:
    start = at(query, "offset")
    return {"data": rows(start, start + 10), "errors": [{"message": "no more budget"}]}


CURSOR = {"type": "cursor", "param": "cursor", "response_path": "next"}
OFFSET = {"type": "offset", "param": "offset"}
PAGE = {"type": "page", "param": "page"}
KINDS = [
    Kind("full last page, no cursor", cursor_ends_early, CURSOR | {"limit": 10},
         r"the last page was full \(10 records\) and had no cursor.*optional: true", {"optional": True}),
    Kind("full last page, no link", link_ends_early, {"type": "link", "response_path": "next", "limit": 10},
         r"the last page was full \(10 records\) and had no link.*optional: true", {"optional": True}),
    Kind("a flag that nobody reads", flag_without_cursor, CURSOR,
         r"the crawl ended although 'has_more' is true.*more_path: has_more"),
    Kind("a flag without a cursor", flag_without_cursor, CURSOR | {"more_path": "has_more"},
         r"'next'.*although 'has_more' says that there are more", status="failed"),
    Kind("neither flag nor cursor", neither, CURSOR | {"more_path": "more"},
         r"neither a cursor nor 'more' was there on the last page.*optional: true", {"optional": True}),
    Kind("capped page size, offset", capped_pages, OFFSET | {"limit": 10, "stop_on_short": True},
         r"a page of 4 records, fewer than the limit 10, although 'has_more' is true.*leave out stop_on_short",
         {"stop_on_short": False}),
    Kind("capped page size, numbers", capped_numbers, PAGE | {"limit": 10, "stop_on_short": True},
         r"although 'paging.hasNext' is true.*more_path: paging.hasNext, and leave out stop_on_short",
         {"stop_on_short": False}),
    Kind("capped page size, a flag that is read", capped_pages,
         OFFSET | {"limit": 10, "stop_on_short": True, "more_path": "has_more"},
         r"although 'has_more' is true", {"stop_on_short": False}),
    Kind("declared total not reached", total_not_reached, OFFSET | {"total_path": "count"},
         r"the API declared 23 records but gave 10.*leave out pagination.total_path", {"total_path": None}),
    Kind("null cursor before the total", total_on_a_cursor, CURSOR | {"total_path": "count"},
         r"the API declared 23 records but gave 20", {"total_path": None}),
    Kind("empty page, more promised", empty_with_more, OFFSET | {"more_path": "more"},
         r"an empty page, although 'more' says that there are more.*leave out more_path", {"more_path": None}),
    Kind("an error instead of records", error_and_no_records, OFFSET,
         r"the last answer has no record, and 'error' in it says shard 3 timed out.*error_path: error"),
    Kind("an error beside no records, named", error_and_no_records, OFFSET, r"reports an error at error",
         config={"error_path": "error"}, status="failed"),
    Kind("repeated page", repeated, PAGE | {"pages_path": "pages"},
         r"page 3 has the same records as page 2.*pagination.param"),
    Kind("the cursor that never moves", looping, CURSOR, r"page 3 is page 1 again", status="failed"),
    Kind("paging that the file does not know", hidden_paging, {"type": "none"},
         r"points to further pages: meta.next_page_token.*single_page: true", {"single_page": True}),
    Kind("a cursor somewhere else", lost_path, CURSOR, r"'next' leads nowhere.*paging.next_cursor.*optional: true",
         status="failed"),
    Kind("an end before the beginning", lies_about_the_end, PAGE, r"the first page already answered 404",
         config={"end_on": [404]}, status="failed"),
    Kind("errors beside half of the data", half_a_page, {"type": "none"}, r"reports an error at errors",
         config={"error_path": "errors"}, status="failed"),
]  # fmt: skip


def file(place: Place, kind: Kind, remedy: Mapping[str, Any]) -> Any:
    pagination = {name: value for name, value in {**kind.pagination, **remedy}.items() if value is not None}
    tables = [{"table": "items", "key": ["id"], "columns": {"id": "id"}}]
    return place.file({"url": "/items", "pagination": pagination, "tables": tables, **kind.config})


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_caught_said_and_settled(kind: Kind, place: Place, api: Api) -> None:
    api.answer = lambda path, query: kind.answer(query)
    found: Any
    try:
        found = place.run(file(place, kind, {}), run_id="doubted")
        said, status, code = f"{found.error}\n{list(found.suspicions)}", found.status, found.exit_code
    except headrace.HeadraceError as error:
        said, status, code = str(error), "failed", error.exit_code
    assert (status, code) == (kind.status, {"suspect": 3, "failed": 1}[kind.status]), said
    assert re.search(kind.seen, said, re.DOTALL), said
    if kind.status == "suspect":
        assert found.suspicions[0][1], "every doubt has its remedy"
        accepted = headrace.accept("doubted", destination=place.url, state=place.state)
        assert (accepted.status, accepted.exit_code, accepted.requests) == ("done", 0, 0)
    if kind.remedy and kind.status == "suspect":
        again = place.run(file(place, kind, kind.remedy), run_id="settled")
        assert again.status == "done", again
        if "stop_on_short" in kind.remedy:
            assert place.column("SELECT count(*) FROM items") == [THERE]


def test_nothing_where_there_was_something(place: Place, api: Api) -> None:
    kind = Kind("collapse", nothing_any_more, OFFSET, "")
    api.answer = lambda path, query: {"data": rows(at(query, "offset"), at(query, "offset") + 10)}
    assert place.run(file(place, kind, {}), run_id="full").status == "done"
    api.answer = lambda path, query: nothing_any_more(query)
    found = place.run(file(place, kind, {}), run_id="empty")
    assert (found.status, found.exit_code) == ("suspect", 3)
    assert re.search(r"no record at all, where run full found 23.*headrace accept", str(found.suspicions))
    assert place.column("SELECT count(*) FROM items_current") == [THERE], "nothing counts as removed"


@pytest.mark.parametrize(
    "more", [{"error": None}, {"error": ""}, {"errors": []}, {"error": False}, {"error": {"code": 0, "message": "ok"}}]
)
def test_an_api_that_always_names_its_errors_is_healthy(more: dict[str, Any], place: Place, api: Api) -> None:
    kind = Kind("healthy", nothing_any_more, OFFSET, "")
    api.answer = lambda path, query: {"data": rows(at(query, "offset"), at(query, "offset") + 10), **more}
    assert place.run(file(place, kind, {})).status == "done"
    assert place.column("SELECT count(*) FROM items") == [THERE]


@pytest.mark.parametrize("size", [23, 10])
def test_a_short_page_that_is_the_end_is_healthy(size: int, place: Place, api: Api) -> None:
    """Also one that says that there is no more."""
    kind = Kind("short", nothing_any_more, OFFSET | {"limit": size, "stop_on_short": True}, "")

    def answer(path: str, query: Mapping[str, str]) -> Any:
        start = at(query, "offset")
        return {"data": rows(start, start + size), "has_more": start + size < THERE}

    api.answer = answer
    assert place.run(file(place, kind, {})).status == "done"
    assert place.column("SELECT count(*) FROM items") == [THERE]
