"""Pages by place: offsets and page numbers, with every way of saying where the end is."""

from __future__ import annotations

from headrace.sandbox.exchange import Exchange, refusal
from headrace.sandbox.http import Reply, dumps, join
from headrace.sandbox.styles._common import Family

FAMILY = Family()
style = FAMILY.style


@style(
    "offset-total", "offset and limit; the total is declared", "total", "positional",
    extract={
        "pagination": {"type": "offset", "param": "offset", "limit": 100, "total_path": "total"},
        "data_path": "items",
    },
)  # fmt: skip
def offset_total(exchange: Exchange) -> Reply:
    records, start, size = exchange.records(), exchange.request.number("offset", 0), exchange.size("limit")
    page = records.window(start, size, positional=True)
    return Reply(body=join(items=exchange.array(records, page), total=page.total, offset=start, limit=size))


@style(
    "offset-capped", "offset; never more than 50 a page, whatever is asked; the end is an empty page", "positional",
    extract={"pagination": {"type": "offset", "param": "offset", "limit": 100}},
)  # fmt: skip
def offset_capped(exchange: Exchange) -> Reply:
    records = exchange.records()
    page = records.window(exchange.request.number("offset", 0), exchange.size("limit", most=50), positional=True)
    return Reply(body=join(data=exchange.array(records, page)))


@style(
    "offset-more", "offset with a more flag", "flag", "positional",
    extract={"pagination": {"type": "offset", "param": "skip", "limit": 100, "limit_param": "take", "more_path": "more"}},
)  # fmt: skip
def offset_more(exchange: Exchange) -> Reply:
    records = exchange.records()
    page = records.window(exchange.request.number("skip", 0), exchange.size("take"), positional=True)
    return Reply(body=join(data=exchange.array(records, page), more=page.more))


@style(
    "offset-given", "the next offset comes in the body as a number, beside has-more", "flag", "cursor", "positional",
    extract={
        "pagination": {"type": "cursor", "param": "vidOffset", "response_path": "vid-offset", "more_path": "has-more"},
        "data_path": "contacts",
    },
)  # fmt: skip
def offset_given(exchange: Exchange) -> Reply:
    records = exchange.records()
    page = records.window(exchange.request.number("vidOffset", 0), exchange.size("count", "limit"), positional=True)
    body = join(contacts=exchange.array(records, page), has__more=page.more, vid__offset=page.next or 0)
    return Reply(body=body)


@style(
    "page-1", "page numbers from 1; the end is an empty page", "positional",
    extract={"pagination": {"type": "page", "param": "page"}, "data_path": "results"},
)  # fmt: skip
def page_1(exchange: Exchange) -> Reply:
    return _numbered(exchange, first=1)


@style(
    "page-0", "page numbers from 0; the end is an empty page", "positional",
    extract={"pagination": {"type": "page", "param": "page", "start": 0}, "data_path": "results"},
)  # fmt: skip
def page_0(exchange: Exchange) -> Reply:
    return _numbered(exchange, first=0)


def _numbered(exchange: Exchange, first: int) -> Reply:
    records, size = exchange.records(), exchange.size("per_page")
    number = exchange.request.number("page", first, least=first)
    page = records.window((number - first) * size, size, positional=True)
    return Reply(body=join(results=exchange.array(records, page), page=number))


@style(
    "page-total", "page numbers from 1; the number of pages is declared", "total", "positional",
    extract={
        "pagination": {"type": "page", "param": "page", "pages_path": "pages", "total_path": "total"},
        "data_path": "results",
    },
)  # fmt: skip
def page_total(exchange: Exchange) -> Reply:
    records, size = exchange.records(), exchange.size("per_page")
    number = exchange.request.number("page", 1, least=1)
    page = records.window((number - 1) * size, size, positional=True)
    if number > 1 and page.start == page.end and "zero_rows" not in exchange.tricks:
        return refusal(400, "page is beyond the last one")
    pages = -(-page.total // size)
    return Reply(body=join(results=exchange.array(records, page), page=number, pages=pages, total=page.total))


@style(
    "page-gaps", "page N holds ids N·size … with gaps, so pages are short; 404 is the end", "positional",
    extract={"pagination": {"type": "page", "param": "page", "start": 0}, "data_path": "", "end_on": [404]},
)  # fmt: skip
def page_gaps(exchange: Exchange) -> Reply:
    """Every ninth record does not exist."""
    records, size = exchange.records(), exchange.size("per_page")
    number = exchange.request.number("page", 0)
    page = records.window(number * size, size, positional=True)
    if page.start == page.end and "zero_rows" not in exchange.tricks:
        return refusal(404, "There is no such page.")
    return Reply(
        body=exchange.rendered("gaps", records, page, lambda: dumps([r for r in records.rows(page) if r["id"] % 9]))
    )


ROUTES = FAMILY.routes
