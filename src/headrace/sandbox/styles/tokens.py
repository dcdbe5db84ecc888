"""OAuth2: a token endpoint (client credentials, and refresh tokens that rotate) and a list behind it; an echo."""

from __future__ import annotations

import base64
import time
from typing import Any

from headrace.sandbox.exchange import Exchange, Route
from headrace.sandbox.http import Reply, join, json_reply
from headrace.sandbox.styles._common import GET, POST, after, asked_place


def token(exchange: Exchange) -> Reply:
    """``grant_type=client_credentials`` (id and secret in the form or by basic auth), or ``refresh_token``.

    Query parameters ``ttl`` and ``uses`` override the options; a used refresh token is refused for good.
    """
    request, options, memory = exchange.request, exchange.options, exchange.memory
    form = request.form
    issued: dict[str, dict[str, Any]] = memory.setdefault("tokens", {})
    answer: dict[str, Any] = {}
    number = memory["token_number"] = memory.get("token_number", 0) + 1
    match form.get("grant_type"):
        case "client_credentials":
            if not all(_client(exchange)):
                return _refused("invalid_client", "client_id and client_secret are missing", 401)
        case "refresh_token":
            current = memory.setdefault("refresh", options.refresh_token)
            if form.get("refresh_token") != current:
                return _refused("invalid_grant", "the refresh token is unknown or was used already")
            memory["refresh"] = answer["refresh_token"] = f"refresh-{number}-{options.seed}"
        case _:
            return _refused("unsupported_grant_type", "grant_type is client_credentials or refresh_token")
    life = request.number("ttl", options.token_seconds)
    uses = request.number("uses", options.token_uses) if options.token_uses else request.number("uses", 0) or None
    text = f"access-{number}-{options.seed}"
    issued[text] = {"until": time.time() + life, "uses": uses}
    return json_reply({"access_token": text, "token_type": "Bearer", "expires_in": life, **answer})


def _client(exchange: Exchange) -> tuple[str, str]:
    authorization = exchange.request.headers.get("authorization", "")
    if authorization.startswith("Basic "):
        try:
            name, _, secret = base64.b64decode(authorization[6:], validate=True).decode().partition(":")
        except ValueError:
            return "", ""
        return name, secret
    form = exchange.request.form
    return form.get("client_id", ""), form.get("client_secret", "")


def _refused(error: str, description: str, status: int = 400) -> Reply:
    return json_reply({"error": error, "error_description": description}, status)


def protected(exchange: Exchange) -> Reply:
    """``{"data": …, "meta": {"next_cursor"}}`` for a living token; 401 otherwise."""
    text = exchange.request.headers.get("authorization", "").removeprefix("Bearer ")
    known = exchange.memory.get("tokens", {}).get(text)
    if known is None or known["until"] <= time.time() or known["uses"] == 0:
        reply = _refused("invalid_token", "the access token is unknown or has expired", 401)
        reply.headers.append(("WWW-Authenticate", 'Bearer error="invalid_token"'))
        return reply
    if known["uses"] is not None:
        known["uses"] -= 1
    records = exchange.records()
    page = records.window(asked_place(exchange), exchange.size("limit"), positional=False)
    return Reply(body=join(data=exchange.array(records, page), meta={"next_cursor": after(page)}))


def echo(exchange: Exchange) -> Reply:
    """The request as it arrived, keys included, as one record."""
    request = exchange.request
    record = {
        "method": request.method,
        "target": request.target,
        "path": request.path,
        "params": request.pairs,
        "headers": request.headers,
        "body": request.body.decode("utf-8", "replace"),
    }
    return json_reply({"data": [record]})


ROUTES = [
    Route("/oauth/token", token, "OAuth2 tokens; ?ttl= seconds, ?uses= requests", POST),
    Route("/oauth/records", protected, "records by cursor, for a bearer token"),
    Route("/echo", echo, "the request as it arrived", (*GET, "POST", "PUT", "PATCH", "DELETE")),
]
