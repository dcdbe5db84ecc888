"""Stand-in of HubSpot's contacts: ``GET /crm/v3/objects/contacts``, 100 at most a page, ``paging`` absent at the end."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from headrace.sandbox import limits, words
from headrace.sandbox.draw import Draw
from headrace.sandbox.exchange import Exchange, Route
from headrace.sandbox.http import BadParameter, Reply, join, json_reply
from headrace.sandbox.listing import Records

PATH = "/crm/v3/objects/contacts"
MOST, PER_TEN_SECONDS, PER_DAY = 100, 100, 250_000
_START = datetime(2023, 3, 1, 8, tzinfo=UTC)
_CATEGORIES = {400: "VALIDATION_ERROR", 401: "INVALID_AUTHENTICATION", 403: "MISSING_SCOPES", 404: "OBJECT_NOT_FOUND"}


def refuse(status: int, message: str, **members: Any) -> Reply:
    """An error as HubSpot words it."""
    correlation = "00000000-0000-4000-8000-000000000000"
    if status == 429:
        kind = {"errorType": "RATE_LIMIT", "policyName": "TEN_SECONDLY_ROLLING"}
    else:
        kind = {"category": _CATEGORIES.get(status, "API_ERROR")}
    return json_reply({"status": "error", "message": message, "correlationId": correlation, **kind, **members}, status)


def contact(seed: int, index: int) -> dict[str, Any]:
    """The contact at a place of the list; ids have gaps, as where contacts were merged."""
    draw = Draw("contact", seed, index)
    created = _START + timedelta(minutes=11 * index, milliseconds=draw.below(60_000))
    updated = created + timedelta(hours=draw.below(9_000), milliseconds=draw.below(1_000))
    identity = str(101 + 3 * index)
    first, _, last = words.person(draw).partition(" ")
    properties = {
        "createdate": _time(created),
        "email": None if draw.chance(4) else f"contact+{index}@example.com",
        "firstname": None if draw.chance(6) else first,
        "hs_object_id": identity,
        "lastmodifieddate": _time(updated),
        "lastname": last,
    }
    return {
        "id": identity,
        "properties": properties,
        "createdAt": properties["createdate"],
        "updatedAt": properties["lastmodifieddate"],
        "archived": False,
    }


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def contacts(exchange: Exchange) -> Reply:
    if not exchange.accepted(exchange.bearer()):
        return refuse(
            401, "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find"
            " more details at https://developers.hubspot.com/docs/methods/auth/oauth-overview",
        )  # fmt: skip
    now = time.time()
    state = exchange.memory.setdefault("hubspot_limit", {})
    wait, _ = limits.fixed_window(state, {"requests": PER_TEN_SECONDS, "seconds": 10}, now)
    used = exchange.memory["hubspot_day"] = exchange.memory.get("hubspot_day", 0) + 1
    headers = [
        ("X-HubSpot-RateLimit-Daily", str(PER_DAY)),
        ("X-HubSpot-RateLimit-Daily-Remaining", str(max(PER_DAY - used, 0))),
        ("X-HubSpot-RateLimit-Interval-Milliseconds", "10000"),
        ("X-HubSpot-RateLimit-Max", str(PER_TEN_SECONDS)),
        ("X-HubSpot-RateLimit-Remaining", str(PER_TEN_SECONDS - int(state["used"]))),
    ]
    if wait > 0:
        reply = refuse(429, "You have reached your ten_secondly_rolling limit.")
        reply.headers += headers
        return reply
    try:
        size = exchange.request.number("limit", min(exchange.options.page_size or 10, MOST), least=1)
        start = exchange.request.number("after", 0)
    except BadParameter as error:
        return refuse(400, f"Invalid input: {error}")
    if size > MOST:
        return refuse(400, f"Requested page size of {size} exceeds the maximum of {MOST}.")
    records = Records(lambda at: contact(exchange.options.seed, at), exchange.options.records, exchange.tricks)
    page = records.window(start, size, positional=False)
    members: dict[str, object] = {"results": exchange.array(records, page, "hubspot")}
    if page.next is not None:
        link = f"https://api.hubapi.com{PATH}?limit={size}&after={quote(str(page.next))}"
        members["paging"] = {"next": {"after": str(page.next), "link": link}}
    return Reply(body=join(**members), content_type="application/json;charset=utf-8", headers=headers)


ROUTES = [Route(PATH, contacts, "hubspot: contacts by cursor", refuse=refuse)]
