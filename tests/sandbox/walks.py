"""Each style, walked to its end by a client that knows only that style."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode, urljoin
from xml.etree import ElementTree

RECORDS, SIZE = 237, 25  # neither divides the other
Rows = Iterator[list[dict[str, Any]]]
WALKS: dict[str, Callable[[Any], Rows]] = {}


def walk(name: str) -> Callable[[Callable[[Any], Rows]], Callable[[Any], Rows]]:
    def take(function: Callable[[Any], Rows]) -> Callable[[Any], Rows]:
        WALKS[name] = function
        return function

    return take


def by_cursor(name: str, rows: str, following: Callable[[Any], Any], param: str = "cursor") -> None:
    @walk(name)
    def run(ask: Any) -> Rows:
        params: dict[str, Any] = {"limit": SIZE}
        while True:
            page = ask(f"/styles/{name}", params).json
            yield page[rows]
            cursor = following(page)
            if cursor in (None, ""):
                return
            params[param] = cursor


by_cursor("cursor-query", "data", lambda p: p["meta"]["next_cursor"])
by_cursor("cursor-more", "items", lambda p: p["next"] if p["has_more"] else None)
by_cursor("last-id", "data", lambda p: p["data"][-1]["id"] if p["has_more"] else None, "starting_after")
by_cursor("paging-after", "results", lambda p: p.get("paging", {}).get("next", {}).get("after"), "after")
by_cursor("ok-flag", "members", lambda p: p["response_metadata"]["next_cursor"] if p["ok"] else 1 / 0)
by_cursor("offset-given", "contacts", lambda p: p["vid-offset"] if p["has-more"] else None, "vidOffset")


@walk("cursor-header")
def cursor_header(ask: Any) -> Rows:
    headers: dict[str, str] = {}
    while True:
        page = ask("/styles/cursor-header", {"limit": SIZE}, headers=headers).json
        yield page["data"]
        if page["next"] is None:
            return
        headers = {"X-Cursor": page["next"]}


@walk("cursor-response-header")
def cursor_response_header(ask: Any) -> Rows:
    params: dict[str, Any] = {"limit": SIZE}
    while True:
        got = ask("/styles/cursor-response-header", params)
        yield got.json
        if "x-next-cursor" not in got.headers:
            return
        params["cursor"] = got.headers["x-next-cursor"]


@walk("cursor-json-body")
def cursor_json_body(ask: Any) -> Rows:
    asked: dict[str, Any] = {"limit": SIZE}
    while True:
        page = ask("/styles/cursor-json-body", method="POST", body={"page": asked}).json
        yield page["data"]
        if page["page"]["next"] is None:
            return
        asked["after"] = page["page"]["next"]


@walk("cursor-form")
def cursor_form(ask: Any) -> Rows:
    form = {"scope": "all"}
    while True:
        page = ask(f"/styles/cursor-form?limit={SIZE}", method="POST", body=urlencode(form).encode()).json
        yield page["data"]
        if page["next_cursor"] is None:
            return
        form["cursor"] = page["next_cursor"]


@walk("cursor-object")
def cursor_object(ask: Any) -> Rows:
    params: dict[str, Any] = {"limit": SIZE}
    while True:
        page = ask("/styles/cursor-object", params).json
        yield page["data"]
        if "continue" not in page:
            return
        params |= page["continue"]


@walk("exclusive-cursor")
def exclusive_cursor(ask: Any) -> Rows:
    params: dict[str, Any] = {"set": "all", "limit": SIZE}
    while True:
        page = ask("/styles/exclusive-cursor", params).json
        yield page["data"]
        if page["resumption"] is None:
            return
        params = {"token_next": page["resumption"]}


@walk("same-cursor")
def same_cursor(ask: Any) -> Rows:
    params: dict[str, Any] = {"cursor": "*", "rows": SIZE}
    seen = set()
    while True:
        message = ask("/styles/same-cursor", params).json["message"]
        assert message["total-results"] == RECORDS
        seen.add(message["next-cursor"])
        if not message["items"]:
            assert len(seen) == 1
            return
        yield message["items"]
        params["cursor"] = message["next-cursor"]


@walk("post-body")
def post_body(ask: Any) -> Rows:
    body: dict[str, Any] = {"page_size": SIZE}
    sizes = []
    while True:
        page = ask("/styles/post-body", method="POST", body=body).json
        sizes.append(len(page["results"]))
        yield page["results"]
        if not page["has_more"]:
            assert sizes[2] == 0, "the third page is empty although more follows"
            return
        body["start_cursor"] = page["next_cursor"]


@walk("error-in-200")
def error_in_200(ask: Any) -> Rows:
    params: dict[str, Any] = {"limit": SIZE}
    errors = 0
    while True:
        page = ask("/styles/error-in-200", params).json
        if page["error"]:
            errors += 1
            continue
        yield page["data"]
        if page["next"] is None:
            assert errors == 3
            return
        params["cursor"] = page["next"]


@walk("link-header")
def link_header(ask: Any) -> Rows:
    target, paths = f"/styles/link-header?per_page={SIZE}", set()
    while True:
        got = ask(target)
        yield got.json
        assert "{?page,per_page}" in got.headers["link"]
        following = re.search(r'<([^>]*)>; rel="next"', got.headers["link"])
        if following is None:
            assert any("by-id" in path for path in paths)
            return
        target = following[1]
        paths.add(target)


def by_link(name: str, rows: str, following: Callable[[Any], Any], param: str) -> None:
    @walk(name)
    def run(ask: Any) -> Rows:
        target = f"{ask.url}/styles/{name}?{param}={SIZE}"
        while True:
            page = ask(target).json
            yield page[rows]
            link = following(page)
            if link is None:
                return
            target = urljoin(target, link)


by_link("link-body", "results", lambda p: p["next"], "limit")
by_link("link-body-relative", "data", lambda p: p["links"].get("next"), "limit")
by_link("link-odata", "value", lambda p: p.get("@odata.nextLink"), "$top")


@walk("offset-total")
def offset_total(ask: Any) -> Rows:
    offset = 0
    while True:
        page = ask("/styles/offset-total", {"offset": offset, "limit": SIZE}).json
        yield page["items"]
        offset += len(page["items"])
        if offset >= page["total"]:
            return


@walk("offset-capped")
def offset_capped(ask: Any) -> Rows:
    offset = 0
    while True:
        rows = ask("/styles/offset-capped", {"offset": offset, "limit": 100}).json["data"]
        if not rows:
            return
        assert len(rows) <= 50
        yield rows
        offset += len(rows)


@walk("offset-more")
def offset_more(ask: Any) -> Rows:
    offset, more = 0, True
    while more:
        page = ask("/styles/offset-more", {"skip": offset, "take": SIZE}).json
        yield page["data"]
        offset, more = offset + SIZE, page["more"]


def by_number(name: str, first: int, rows: Callable[[Any], Any], pages: Callable[[Any], Any] | None = None) -> None:
    @walk(name)
    def run(ask: Any) -> Rows:
        number = first
        while True:
            got = ask(f"/styles/{name}", {"page": number, "per_page": SIZE})
            if got.status == 404:
                return
            assert got.status == 200
            page = got.json
            if pages is None and not rows(page):
                return
            yield rows(page)
            number += 1
            if pages is not None and number > pages(page):
                return


by_number("page-1", 1, lambda p: p["results"])
by_number("page-0", 0, lambda p: p["results"])
by_number("page-total", 1, lambda p: p["results"], lambda p: p["pages"])
by_number("page-gaps", 0, lambda p: p)
by_number("root-array", 1, lambda p: p)
by_number("meta-rows", 1, lambda p: p[1], lambda p: p[0]["pages"])
by_number("map-of-records", 1, lambda p: list(p["result"].values()), lambda p: p["pages"])


@walk("whole")
def whole(ask: Any) -> Rows:
    yield ask("/styles/whole").json["data"]


@walk("bom")
def bom(ask: Any) -> Rows:
    params: dict[str, Any] = {"limit": SIZE}
    while True:
        body = ask("/styles/bom", params).body
        assert body.startswith(b"\xef\xbb\xbf")
        page = json.loads(body.decode("utf-8-sig"))
        yield page["data"]
        if page["next"] is None:
            return
        params["cursor"] = page["next"]


@walk("jsonl")
def jsonl(ask: Any) -> Rows:
    target = f"/styles/jsonl?limit={SIZE}"
    while True:
        got = ask(target)
        assert got.headers["content-type"] == "application/x-ndjson"
        yield [json.loads(line) for line in got.body.splitlines()]
        following = re.search(r'<([^>]*)>; rel="next"', got.headers.get("link", ""))
        if following is None:
            return
        target = following[1]


@walk("csv")
def csv_(ask: Any) -> Rows:
    offset, notes = 0, 0
    while True:
        text = ask("/styles/csv", {"offset": offset, "limit": SIZE}).body.decode()
        rows = [{**row, "id": int(row["id"])} for row in csv.DictReader(io.StringIO(text, newline=""))]
        notes += sum("\n" in row["note"] for row in rows)
        if not rows:
            assert notes == RECORDS // 11
            return
        yield rows
        offset += len(rows)


@walk("xml")
def xml(ask: Any) -> Rows:
    params: dict[str, Any] = {"limit": SIZE}
    while True:
        root = ElementTree.fromstring(ask("/styles/xml", params).body)
        yield [{"id": int(row.get("id") or 0)} for row in root.iterfind("records/record")]
        following = root.findtext("next")
        if following is None:
            return
        params["resume"] = following


@walk("soap")
def soap(ask: Any) -> Rows:
    number, more = 1, True
    headers = {"SOAPAction": '"urn:sandbox:ListRecords"', "Content-Type": "text/xml"}
    while more:
        inner = f'<ListRecords xmlns="urn:sandbox"><page>{number}</page></ListRecords>'
        envelope = (
            f'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>{inner}</s:Body></s:Envelope>'
        )
        got = ask(f"/styles/soap?per_page={SIZE}", method="POST", body=envelope.encode(), headers=headers)
        root = ElementTree.fromstring(got.body)
        yield [{"id": int(row.get("id") or 0)} for row in root.iter("{urn:sandbox}record")]
        more = root.findtext(".//{urn:sandbox}more") == "true"
        number += 1


@walk("graphql")
def graphql(ask: Any) -> Rows:
    variables: dict[str, Any] = {"first": SIZE}
    while True:
        body = {"query": "query($first: Int) { records(first: $first) { totalCount } }", "variables": variables}
        found = ask("/styles/graphql", method="POST", body=body).json["data"]["records"]
        assert found["totalCount"] == RECORDS
        yield [edge["node"] for edge in found["edges"]]
        if not found["pageInfo"]["hasNextPage"]:
            return
        variables["after"] = found["pageInfo"]["endCursor"]


@walk("graphql-get")
def graphql_get(ask: Any) -> Rows:
    params: dict[str, Any] = {"first": 100, "token": "any"}
    while True:
        found = ask("/styles/graphql-get", params).json["recordList"]
        rows = [edge["node"] for edge in found["edges"]]
        assert len(rows) <= 50
        yield rows
        if not found["pageInfo"]["hasNextPage"]:
            return
        params["after"] = found["pageInfo"]["endCursor"]
