"""Stand-in of Stripe's balance transactions: ``GET /v1/balance_transactions``, newest first, ``starting_after`` an id."""

from __future__ import annotations

import base64
import time
import zlib
from typing import Any

from headrace.sandbox import limits, words
from headrace.sandbox.draw import Draw
from headrace.sandbox.exchange import Exchange, Route
from headrace.sandbox.http import Reply, join, json_reply
from headrace.sandbox.listing import Records

PATH = "/v1/balance_transactions"
MOST, PER_SECOND = 100, 25
NEWEST, APART = 1_767_225_600, 2_700
"""When the first of the list was made (2026-01-01, epoch seconds), and the seconds from one to the next."""
_PARAMETERS = {"limit", "starting_after", "ending_before", "created[gte]", "created[lte]", "created[gt]", "created[lt]", "type", "currency"}  # fmt: skip


def refuse(status: int, message: str, **members: Any) -> Reply:
    """An error as Stripe words it."""
    kind = "invalid_request_error" if status < 500 else "api_error"
    if status == 429:
        members["code"] = "rate_limit"
    reply = json_reply({"error": {**members, "message": message, "type": kind}}, status)
    if status == 429:
        reply.headers.append(("Stripe-Rate-Limited-Reason", "global-rate"))
    return reply


def identity(seed: int, index: int) -> str:
    """The id of the transaction at a place of the list."""
    return f"txn_1{index:08x}{zlib.crc32(f'{seed}/{index}'.encode()):08x}"


def place(seed: int, text: str) -> int | None:
    """The place that :func:`identity` named, ``None`` for any other text."""
    try:
        index = int(text[5:13], 16)
    except ValueError:
        return None
    return index if identity(seed, index) == text else None


def transaction(seed: int, index: int) -> dict[str, Any]:
    draw = Draw("transaction", seed, index)
    created = NEWEST - APART * index
    amount = draw.between(100, 90_000)
    kind = "charge" if draw.chance(85) else draw.pick(("payout", "refund", "adjustment"))
    if kind != "charge":
        amount = -amount
    fee = 30 + amount * 29 // 1000 if kind == "charge" else 0
    details = [{"amount": fee, "application": None, "currency": "usd", "description": "Processing fees", "type": "stripe_fee"}]  # fmt: skip
    return {
        "id": identity(seed, index),
        "object": "balance_transaction",
        "amount": amount,
        "available_on": created + 172_800,
        "created": created,
        "currency": "usd",
        "description": words.sentence(draw, 1) if draw.chance(70) else None,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": details if fee else [],
        "net": amount - fee,
        "reporting_category": kind,
        "source": f"{'ch' if kind == 'charge' else 'po'}_1{draw.below(2**40):010x}",
        "status": "available" if index > 60 else "pending",
        "type": kind,
    }


def _key(exchange: Exchange) -> str:
    """By bearer, or as the user of basic auth."""
    scheme, _, value = exchange.request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return exchange.bearer()
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[0]
    except ValueError:
        return ""


def _range(exchange: Exchange) -> tuple[int, int]:
    """The places whose ``created`` is asked for: first, and one behind the last."""
    number = exchange.request.number
    youngest = min(number("created[lte]", NEWEST), number("created[lt]", NEWEST + 1) - 1)
    oldest = max(number("created[gte]", 0), number("created[gt]", -1) + 1)
    first = max(-(-(NEWEST - youngest) // APART), 0)
    return first, max(min((NEWEST - oldest) // APART + 1, exchange.options.records), first)


def transactions(exchange: Exchange) -> Reply:
    request, seed = exchange.request, exchange.options.seed
    key = _key(exchange)
    if not key:
        return refuse(
            401, "You did not provide an API key. You need to provide your API key in the Authorization header, using"
            " Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
        )  # fmt: skip
    if not exchange.accepted(key):
        return refuse(401, f"Invalid API Key provided: {key[:3]}{'*' * 8}")
    state = exchange.memory.setdefault("stripe_limit", {})
    wait, _ = limits.fixed_window(state, {"requests": PER_SECOND, "seconds": 1}, time.time())
    if wait > 0:
        return refuse(429, "Testmode request rate limit exceeded, please retry using exponential backoff.")
    if unknown := set(request.query) - _PARAMETERS:
        name = min(unknown)
        return refuse(400, f"Received unknown parameter: {name}", code="parameter_unknown", param=name)
    for name in ("limit", "created[gte]", "created[lte]", "created[gt]", "created[lt]"):
        if not request.query.get(name, "0").isdecimal():
            return refuse(400, f"Invalid integer: {request.query[name]}", code="parameter_invalid_integer", param=name)
    size = request.number("limit", exchange.options.page_size or 10)
    if not 1 <= size <= MOST:
        problem = f"greater than or equal to 1 (it currently is '{size}')" if size < 1 else f"less than or equal to {MOST} (it currently is '{size}')"  # fmt: skip
        return refuse(400, f"This value must be {problem}.", code="parameter_invalid_integer", param="limit")
    first, behind = _range(exchange)
    start = 0
    if (after := request.query.get("starting_after")) is not None:
        found = place(seed, after)
        if found is None or found >= exchange.options.records:
            return refuse(400, f"No such balance transaction: '{after}'", code="resource_missing", param="starting_after")  # fmt: skip
        start = max(found + 1 - first, 0)
    records = Records(lambda at: transaction(seed, first + at), behind - first, exchange.tricks)
    page = records.window(start, size, positional=False)
    body = join(
        object="list", data=exchange.array(records, page, f"stripe/{first}"), has_more=page.more, url=PATH
    )  # fmt: skip
    return Reply(body=body, headers=[("Request-Id", "req_Sandbox00000000"), ("Stripe-Version", "2025-09-30.clover")])


ROUTES = [Route(PATH, transactions, "stripe: balance transactions by the last one's id", refuse=refuse)]
