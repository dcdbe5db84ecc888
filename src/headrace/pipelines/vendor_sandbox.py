"""Stand-in of the vendor of the examples: ``GET /v1/data``, and ``/v1/resource`` of the full configuration."""

from __future__ import annotations

import time
from typing import Any

from headrace.sandbox import limits
from headrace.sandbox.exchange import Exchange, Route
from headrace.sandbox.http import BadParameter, Reply, join, json_reply
from headrace.sandbox.styles._common import after, decode

MOST, PER_MINUTE = 500, 600
_STATES = ("new", "open", "held", "closed")


def refuse(status: int, message: str) -> Reply:
    """An error as this vendor words it."""
    code = {400: "bad_request", 401: "unauthorized", 403: "forbidden", 404: "not_found", 429: "rate_limited"}
    return json_reply({"error": {"code": code.get(status, "internal"), "message": message}}, status)


def _limited(exchange: Exchange) -> tuple[Reply | None, list[tuple[str, str]]]:
    """A refusal, if any, and the headers of every answer."""
    if not exchange.accepted(exchange.bearer()):
        return refuse(401, "The bearer token is missing or unknown."), []
    state = exchange.memory.setdefault("vendor_limit", {})
    wait, headers = limits.fixed_window(state, {"requests": PER_MINUTE, "seconds": 60}, time.time())
    if wait > 0:
        reply = refuse(429, f"No more than {PER_MINUTE} requests a minute.")
        reply.headers += [*headers, ("Retry-After", str(int(wait) + 1))]
        return reply, []
    return None, headers


def data(exchange: Exchange) -> Reply:
    """``{"items": […], "next_cursor": …}``; null at the end."""
    refused, headers = _limited(exchange)
    if refused is not None:
        return refused
    try:
        records = exchange.records()
        given = exchange.request.query.get("cursor")
        page = records.window(decode(given) if given else 0, exchange.size("limit", most=MOST), positional=False)
    except BadParameter as error:
        return refuse(400, str(error))
    return Reply(body=join(items=exchange.array(records, page), next_cursor=after(page)), headers=headers)


def resource(exchange: Exchange) -> Reply:
    """``{"data": […], "meta": {"next_cursor"}}`` of the records of one ``status``, or of all."""
    refused, headers = _limited(exchange)
    if refused is not None:
        return refused
    request = exchange.request
    status = request.query.get("status", "")
    if status and status not in _STATES:
        return refuse(400, f"status is one of {', '.join(_STATES)}")
    if not request.headers.get("x-request-id"):
        return refuse(400, "X-Request-ID is missing.")
    try:
        records = exchange.records()
        given = request.query.get("after")
        page = records.window(
            decode(given, "after") if given else 0, exchange.size("limit", most=MOST), positional=False
        )
    except BadParameter as error:
        return refuse(400, str(error))
    rows: list[dict[str, Any]] = [row for row in records.rows(page) if status in ("", row["status"])]
    meta: dict[str, Any] = {"next_cursor": after(page)}
    if request.query.get("include") == "metadata":
        meta |= {"status": status or None, "scanned": page.count}
    return Reply(body=join(data=rows, meta=meta), headers=headers)


ROUTES = [
    Route("/v1/data", data, "vendor: items by cursor", refuse=refuse),
    Route("/v1/resource", resource, "vendor: one status of them, with metadata", refuse=refuse),
]
