"""Cursors: in the query, a header, a JSON body, a form; of every shape that APIs give them."""

from __future__ import annotations

from headrace.sandbox.exchange import Exchange
from headrace.sandbox.http import BadParameter, Reply, dumps, join, json_reply
from headrace.sandbox.styles._common import (
    POST,
    Family,
    after,
    asked_place,
    decode,
    decode_ascii,
    encode,
    encode_ascii,
    whole,
)

FAMILY = Family()
style = FAMILY.style


@style(
    "cursor-query", "cursor as a query parameter; null at the end", "cursor",
    extract={"pagination": {"type": "cursor", "param": "cursor", "response_path": "meta.next_cursor"}},
)  # fmt: skip
def cursor_query(exchange: Exchange) -> Reply:
    records = exchange.records()
    page = records.window(asked_place(exchange), exchange.size("limit"), positional=False)
    return Reply(body=join(data=exchange.array(records, page), meta={"next_cursor": after(page)}))


@style(
    "cursor-more", "cursor in the query, with a more flag", "cursor", "flag",
    extract={
        "pagination": {"type": "cursor", "param": "cursor", "response_path": "next", "more_path": "has_more"},
        "data_path": "items",
    },
)  # fmt: skip
def cursor_more(exchange: Exchange) -> Reply:
    records = exchange.records()
    page = records.window(asked_place(exchange), exchange.size("limit"), positional=False)
    return Reply(body=join(items=exchange.array(records, page), has_more=page.more, next=after(page)))


@style(
    "cursor-header", "cursor in the request header X-Cursor, the next one in the body", "cursor",
    extract={"pagination": {"type": "cursor", "in": "header", "param": "X-Cursor", "response_path": "next"}},
)  # fmt: skip
def cursor_header(exchange: Exchange) -> Reply:
    records = exchange.records()
    given = exchange.request.headers.get("x-cursor")
    page = records.window(decode_ascii(given) if given else 0, exchange.size("limit"), positional=False)
    following = None if page.next is None else encode_ascii(page.next)
    return Reply(body=join(data=exchange.array(records, page), next=following))


@style(
    "cursor-response-header", "cursor in the query, the next one in the response header X-Next-Cursor", "cursor",
    extract={"pagination": {"type": "cursor", "param": "cursor", "response_header": "X-Next-Cursor"}, "data_path": ""},
)  # fmt: skip
def cursor_response_header(exchange: Exchange) -> Reply:
    records = exchange.records()
    given = exchange.request.query.get("cursor")
    page = records.window(decode_ascii(given) if given else 0, exchange.size("limit"), positional=False)
    headers = [] if page.next is None else [("X-Next-Cursor", encode_ascii(page.next))]
    return Reply(body=exchange.array(records, page), headers=headers)


@style(
    "cursor-json-body", "POST; cursor and limit in a JSON body", "cursor", methods=POST,
    extract={
        "method": "POST",
        "safe": True,
        "body": {"json": {"filter": {"status": "any"}}},
        "pagination": {"type": "cursor", "in": "body", "body_path": "page.after", "response_path": "page.next"},
    },
)  # fmt: skip
def cursor_json_body(exchange: Exchange) -> Reply:
    given = exchange.request.json
    if not isinstance(given, dict):
        raise BadParameter("body", "has to be a JSON object")
    asked = given.get("page") or {}
    records = exchange.records()
    cursor = asked.get("after")
    size = whole(asked.get("limit"), "limit", exchange.size("limit"), least=1)
    page = records.window(decode(cursor, "after") if cursor else 0, size, positional=False)
    return Reply(body=join(data=exchange.array(records, page), page={"next": after(page)}))


@style(
    "cursor-form", "POST; cursor in a form body", "cursor", methods=POST,
    extract={
        "method": "POST",
        "safe": True,
        "body": {"form": {"scope": "all"}},
        "pagination": {"type": "cursor", "in": "body", "body_path": "cursor", "response_path": "next_cursor"},
    },
)  # fmt: skip
def cursor_form(exchange: Exchange) -> Reply:
    form = exchange.request.form
    if form.get("scope") != "all":
        raise BadParameter("scope", "has to be all")
    records = exchange.records()
    cursor = form.get("cursor")
    page = records.window(decode(cursor) if cursor else 0, exchange.size("limit"), positional=False)
    return Reply(body=join(data=exchange.array(records, page), next_cursor=after(page)))


@style(
    "cursor-object", "the next cursor is an object whose members all go into the next request; absent at the end",
    "cursor", extract={"pagination": {"type": "cursor", "response_path": "continue", "merge": True}},
)  # fmt: skip
def cursor_object(exchange: Exchange) -> Reply:
    query = exchange.request.query
    if ("after_id" in query) != ("continue" in query):
        raise BadParameter("continue", "and after_id go together")
    records = exchange.records()
    page = records.window(exchange.request.number("after_id", 0), exchange.size("limit"), positional=False)
    members: dict[str, object] = {"data": exchange.array(records, page)}
    if page.next is not None:
        members["continue"] = {"after_id": page.next, "continue": "-||"}
    return Reply(body=join(**members))


@style(
    "exclusive-cursor", "a resumption token that excludes every other parameter", "cursor",
    extract={
        "params": {"set": "all"},
        "pagination": {"type": "cursor", "param": "token_next", "response_path": "resumption", "exclusive": True},
    },
)  # fmt: skip
def exclusive_cursor(exchange: Exchange) -> Reply:
    query = exchange.request.query
    given = query.get("token_next")
    if given and len(query) > 1:
        raise BadParameter("token_next", "excludes all other parameters")
    if not given and query.get("set") != "all":
        raise BadParameter("set", "has to be all")
    start, size, total = 0, exchange.size("limit"), exchange.options.records
    if given:
        text, _, rest = given.partition(";")
        parts = rest.split(";")
        start = decode(text, "token_next")
        size, total = (whole(part, "token_next", 1) for part in parts[:2])
    else:
        total = exchange.records().total
    records = exchange.records()
    records.total = total
    page = records.window(start, size, positional=False)
    following = None if page.next is None else f"{encode(page.next)};{size};{total}"
    return Reply(body=join(data=exchange.array(records, page), resumption=following))


@style(
    "last-id", "the cursor is the id of the last record, with a more flag", "cursor", "flag",
    extract={
        "pagination": {
            "type": "cursor", "param": "starting_after", "response_path": "data.-1.id", "more_path": "has_more",
            "limit_param": "limit",
        },
    },
)  # fmt: skip
def last_id(exchange: Exchange) -> Reply:
    records = exchange.records()
    start = exchange.request.number("starting_after", 0)
    if start > records.total:
        raise BadParameter("starting_after", "names no record")
    page = records.window(start, exchange.size("limit"), positional=False)
    return Reply(body=join(object="list", has_more=page.more, data=exchange.array(records, page)))


@style(
    "same-cursor", "one cursor text on every page, kept by the server; the end is an empty page", "total",
    extract={
        "pagination": {
            "type": "cursor", "start": "*", "response_path": "message.next-cursor", "stop_on_empty": True,
            "total_path": "message.total-results",
        },
        "data_path": "message.items",
    },
)  # fmt: skip
def same_cursor(exchange: Exchange) -> Reply:
    given = exchange.request.query.get("cursor", "*")
    places = exchange.memory.setdefault("scrolls", {})
    token = "AoJ/k+Pq4fcCPwRo=="  # noqa: S105  (a cursor, no secret)
    if given == "*":
        places[token] = 0
    elif given != token or token not in places:
        raise BadParameter("cursor", "is not one that this endpoint gave")
    records = exchange.records()
    page = records.window(places[token], exchange.size("rows"), positional=False)
    places[token] = page.end
    message = {"total-results": page.total, "next-cursor": token}
    body = dumps(message)[:-1] + b',"items":' + exchange.array(records, page) + b"}"
    return Reply(body=join(status="ok", message=body))


@style(
    "paging-after", "paging.next.after, and no paging at the end", "cursor",
    extract={
        "pagination": {"type": "cursor", "param": "after", "response_path": "paging.next.after"},
        "data_path": "results",
    },
)  # fmt: skip
def paging_after(exchange: Exchange) -> Reply:
    records = exchange.records()
    page = records.window(exchange.request.number("after", 0), exchange.size("limit"), positional=False)
    members: dict[str, object] = {"results": exchange.array(records, page)}
    if page.next is not None:
        members["paging"] = {"next": {"after": str(page.next), "link": "?after=" + str(page.next)}}
    return Reply(body=join(**members))


@style(
    "ok-flag", "errors are 200 with ok: false; the end is an empty cursor", "cursor",
    extract={
        "pagination": {"type": "cursor", "param": "cursor", "response_path": "response_metadata.next_cursor"},
        "data_path": "members",
        "ok_path": "ok",
    },
)  # fmt: skip
def ok_flag(exchange: Exchange) -> Reply:
    try:
        start = asked_place(exchange)
    except BadParameter:
        return json_reply({"ok": False, "error": "invalid_cursor"})
    records = exchange.records()
    page = records.window(start, exchange.size("limit"), positional=False)
    metadata = {"next_cursor": after(page) or ""}
    return Reply(body=join(ok=True, members=exchange.array(records, page), response_metadata=metadata))


@style(
    "post-body", "POST; start_cursor in a JSON body; a page in the middle is empty though more follows",
    "cursor", "flag", methods=POST,
    extract={
        "method": "POST",
        "safe": True,
        "body": {"json": {"page_size": 50}},
        "pagination": {
            "type": "cursor", "in": "body", "body_path": "start_cursor", "response_path": "next_cursor", "more_path": "has_more",
        },
        "data_path": "results",
    },
)  # fmt: skip
def post_body(exchange: Exchange) -> Reply:
    given = exchange.request.json
    if not isinstance(given, dict):
        raise BadParameter("body", "has to be a JSON object")
    records = exchange.records()
    size = whole(given.get("page_size"), "page_size", exchange.size("page_size"), least=1)
    cursor = str(given.get("start_cursor") or "")
    empty = cursor.startswith("empty/")
    start = decode(cursor.removeprefix("empty/"), "start_cursor") if cursor else 0
    page = records.window(start, 0 if empty else size, positional=False)
    following = after(page)
    if following is not None and not empty and start == size:
        following = f"empty/{following}"  # the page after the second is the empty one
    return Reply(
        body=join(object="list", results=exchange.array(records, page), next_cursor=following, has_more=page.more)
    )


@style(
    "error-in-200", "every third page is 200 with an error object the first time it is asked for", "cursor",
    extract={
        "pagination": {"type": "cursor", "param": "cursor", "response_path": "next"},
        "error_path": "error",
    },
)  # fmt: skip
def error_in_200(exchange: Exchange) -> Reply:
    records, size, start = exchange.records(), exchange.size("limit"), asked_place(exchange)
    if start // size % 3 == 2 and exchange.times == 1:
        return json_reply({"error": {"code": 1_042, "message": "The sandbox lost its thread."}, "data": []})
    page = records.window(start, size, positional=False)
    return Reply(body=join(data=exchange.array(records, page), next=after(page), error=None))


ROUTES = FAMILY.routes
