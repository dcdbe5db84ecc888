"""Every paginator against the contract, and against random APIs of its style."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.core.contracts import Answer, Paginator
from headrace.core.http import Request, Response
from headrace.core.paths import parse
from headrace.sources.decode import by_content_type
from headrace.sources.paginate.cursor import CursorPages
from headrace.sources.paginate.link import LinkPages
from headrace.sources.paginate.none import SinglePage
from headrace.sources.paginate.offset import OffsetPages
from headrace.sources.paginate.page import NumberedPages
from headrace.testing.paginator_suite import PaginatorSuite, Record, walk

CAP = 5


def asked(request: Request) -> dict[str, str]:
    """What a server sees: the query as it was sent, and a JSON body's members."""
    query = {name: values[-1] for name, values in parse_qs(urlsplit(request.full_url).query).items()}
    return {**query, **(request.json or {})}


def answer(request: Request, body: Any, **headers: str) -> Response:
    pairs = (("content-type", "application/json"), *headers.items())
    return Response(200, pairs, json.dumps(body).encode(), request.full_url, 0)


def cut(request: Request, records: Sequence[Record], begin: int, cap: int = CAP) -> list[Record]:
    limit = int(asked(request).get("limit", cap))
    return list(records[begin : begin + min(limit, cap)])


def by_cursor(request: Request, records: Sequence[Record], cap: int = CAP) -> Response:
    begin = int(asked(request).get("cursor", "after: 0?&").strip("after: ?&"))
    page = cut(request, records, begin, cap)
    end = begin + len(page)
    body = {"items": page, "meta": {"next": f"after: {end}?&"}} if end < len(records) else {"items": page}
    return answer(request, body)


def by_last_id(request: Request, records: Sequence[Record], cap: int = CAP) -> Response:
    page = cut(request, records, int(asked(request).get("cursor", 0)), cap)
    return answer(request, {"items": page, "more": bool(page) and page[-1] != records[-1]})


def by_offset(request: Request, records: Sequence[Record], cap: int = CAP) -> Response:
    return answer(request, {"items": cut(request, records, int(asked(request)["offset"]), cap), "total": len(records)})


def by_page(request: Request, records: Sequence[Record], cap: int = CAP) -> Response:
    size = min(int(asked(request).get("limit", cap)), cap)
    return answer(request, {"items": cut(request, records, (int(asked(request)["page"]) - 1) * size, cap)})


def link_to(request: Request, records: Sequence[Record], cap: int) -> tuple[list[Record], str | None]:
    begin = int(asked(request).get("from", 0))
    page = cut(request, records, begin, cap)
    end = begin + len(page)
    kept = quote(asked(request)["filter"])
    return page, f"/items?filter={kept}&limit={asked(request).get('limit', cap)}&from={end}" if end < len(
        records
    ) else None


def by_header(request: Request, records: Sequence[Record], cap: int = CAP) -> Response:
    page, link = link_to(request, records, cap)
    first = '<http://api.example/items{?page,per_page}>; rel="first"'
    return answer(request, {"items": page}, link=f'{first}, <{link}>; rel="next"' if link else first)


def by_body_link(request: Request, records: Sequence[Record], cap: int = CAP) -> Response:
    page, link = link_to(request, records, cap)
    return answer(request, {"items": page, "links": {"next": link}})


STYLES = {
    "cursor": (lambda **k: CursorPages(type="cursor", response_path="meta.next", **k), by_cursor),
    "cursor in a body": (lambda **k: CursorPages(type="cursor", in_="body", response_path="meta.next", **k), by_cursor),
    "last id": (lambda **k: CursorPages(type="cursor", response_path="items.-1.id", more_path="more", **k), by_last_id),
    "last id alone": (lambda **k: CursorPages(type="cursor", response_path="items.-1.id", **k), by_last_id),
    "offset": (lambda **k: OffsetPages(type="offset", **k), by_offset),
    "offset to a total": (lambda **k: OffsetPages(type="offset", total_path="total", **k), by_offset),
    "page": (lambda **k: NumberedPages(type="page", **k), by_page),
    "link header": (lambda **k: LinkPages(type="link", **k), by_header),
    "link in the body": (lambda **k: LinkPages(type="link", response_path="links.next", **k), by_body_link),
}


def sure(make: Any) -> dict[str, Any]:
    """A single page that is full and has no cursor is the whole here."""
    return {"optional": True} if isinstance(make(), CursorPages | LinkPages) else {}


@pytest.mark.parametrize("style", STYLES)
class TestContract(PaginatorSuite):
    @pytest.fixture(autouse=True)
    def _style(self, style: str) -> None:
        self._make, self._play = STYLES[style]

    def paginator(self) -> Paginator:
        return self._make(limit=CAP, **sure(self._make))

    def answer(self, request: Request, records: Sequence[Record]) -> Response:
        return self._play(request, records)


@pytest.mark.parametrize("style", STYLES)
@settings(max_examples=40, deadline=None)
@given(
    size=st.integers(0, 60), cap=st.integers(1, 12), limit=st.none() | st.integers(1, 20), resume=st.integers(0, 30)
)  # fmt: skip
def test_any_api_is_read_whole(style: str, size: int, cap: int, limit: int | None, resume: int) -> None:
    """Whatever page size is asked for, whatever the server makes of it, and wherever a crawl resumes."""
    make, play = STYLES[style]
    paginator = make(limit=limit, **sure(make))
    records = [{"id": n + 1} for n in range(size)]
    request = Request("GET", "http://api.example/items", params=(("filter", "ä&b"),))

    steps = list(walk(paginator, lambda r: play(r, records, cap), request))
    assert [record for _, page, _ in steps for record in page] == records

    done = min(resume, len(steps) - 1)
    if done:
        seen = sum(len(page) for _, page, _ in steps[:done])
        rest = walk(paginator, lambda r: play(r, records, cap), request, at=steps[done - 1][2], done=done, seen=seen)
        assert list(rest) == steps[done:]


@settings(max_examples=60, deadline=None)
@given(size=st.integers(0, 60), cap=st.integers(1, 12), limit=st.integers(1, 20), width=st.integers(1, 5))
def test_a_window_never_passes_over_records(size: int, cap: int, limit: int, width: int) -> None:
    """The crawl asks ahead by ``ahead`` and throws its guesses away where ``next`` differs."""
    records = [{"id": n} for n in range(size)]
    for paginator, play in (
        (OffsetPages(type="offset", limit=limit), by_offset),
        (NumberedPages(type="page", limit=limit), by_page),
    ):
        position, window, seen, found, number = paginator.start(), deque(), 0, [], 0
        while position is not None:
            if not window or window[0] != position:
                window = deque([position])
            while len(window) < width:
                window.append(paginator.ahead(window[-1]))
            response = play(paginator.apply(Request("GET", "http://api.example"), window.popleft()), records, cap)
            envelope = by_content_type(response).open(response, parse("items"), paginator.wants())
            page, number = json.loads(envelope.records), number + 1
            seen += len(page)
            found += page
            position = paginator.next(Answer(response, envelope, len(page), number, seen), position)
        assert found == records


def test_none_asks_once() -> None:
    paginator = SinglePage(type="none")
    request = Request("GET", "http://api.example")
    assert paginator.apply(request, None) == request
    steps = list(walk(paginator, lambda r: answer(r, {"items": [{"id": 1}]}), request))
    assert steps == [(None, [{"id": 1}], None)]
