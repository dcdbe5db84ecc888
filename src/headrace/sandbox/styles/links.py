"""Links to the next page: in a header, in the body, absolute and relative."""

from __future__ import annotations

from headrace.sandbox.exchange import Exchange, Route
from headrace.sandbox.http import Reply, join
from headrace.sandbox.styles._common import Family, link

FAMILY = Family()
style = FAMILY.style


def _by_number(exchange: Exchange, number: int) -> Reply:
    """A root array whose Link header leads on, as a forge gives it: to a path by id, with a template."""
    records = exchange.records()
    size = exchange.size("per_page", default=30, most=100)
    page = records.window((number - 1) * size, size, positional=True)
    by_id = f"{exchange.base}/styles/link-header/by-id/77/items"
    links = [f'<{exchange.base}/styles/link-header{{?page,per_page}}>; rel="first"; title="a, b; c"']
    if number > 1:
        links.append(f'<{exchange.base}{link(exchange, {"page": number - 1})}>; rel="prev"')
    if page.next is not None:
        target = link(exchange, {"page": page.next // size + 1}, "/styles/link-header/by-id/77/items")
        links.append(f'<{exchange.base}{target}>; rel="next"')
        links.append(f'<{by_id}?page={-(-page.total // size)}>; rel="last"')
    return Reply(body=exchange.array(records, page), headers=[("Link", ", ".join(links))])


@style(
    "link-header", "Link header: next leads to another path, first is a URI template; the root is the array",
    "cursor", "positional",
    extract={"pagination": {"type": "link", "limit_param": "per_page"}, "data_path": ""},
)  # fmt: skip
def link_header(exchange: Exchange) -> Reply:
    return _by_number(exchange, exchange.request.number("page", 1, least=1))


@style(
    "link-body", "absolute link in the body; null at the end", "cursor", "total", "positional",
    extract={"pagination": {"type": "link", "response_path": "next", "total_path": "count"}, "data_path": "results"},
)  # fmt: skip
def link_body(exchange: Exchange) -> Reply:
    records = exchange.records()
    page = records.window(exchange.request.number("offset", 0), exchange.size("limit"), positional=True)
    following = None if page.next is None else exchange.base + link(exchange, {"offset": page.next})
    return Reply(body=join(count=page.total, next=following, results=exchange.array(records, page)))


@style(
    "link-body-relative", "link relative to the host; absent at the end", "cursor", "positional",
    extract={"pagination": {"type": "link", "response_path": "links.next"}},
)  # fmt: skip
def link_body_relative(exchange: Exchange) -> Reply:
    records = exchange.records()
    page = records.window(exchange.request.number("from", 0), exchange.size("limit"), positional=True)
    links = {"self": exchange.request.target}
    if page.next is not None:
        links["next"] = link(exchange, {"from": page.next})
    return Reply(body=join(data=exchange.array(records, page), links=links))


@style(
    "link-odata", "a key with dots holds the link, which is a query only", "cursor", "positional",
    extract={"pagination": {"type": "link", "response_path": '"@odata.nextLink"'}, "data_path": "value"},
)  # fmt: skip
def link_odata(exchange: Exchange) -> Reply:
    records = exchange.records()
    page = records.window(exchange.request.number("$skip", 0), exchange.size("$top"), positional=True)
    members: dict[str, object] = {"value": exchange.array(records, page)}
    if page.next is not None:
        members["@odata.nextLink"] = "?" + link(exchange, {"$skip": page.next}).partition("?")[2]
    return Reply(body=join(**members))


ROUTES = [*FAMILY.routes, Route("/styles/link-header/by-id/*/items", link_header, "where link-header leads")]
