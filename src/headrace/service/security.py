"""Who asks, and what they may do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends
from fastapi.security import APIKeyHeader, HTTPBearer
from starlette.requests import HTTPConnection, Request

from headrace.core.errors import StateError
from headrace.core.hosts import is_loopback
from headrace.service.front import address_of
from headrace.service.keys import SCOPES, Key, Keys, Scope, covers
from headrace.service.limits import Buckets, too_many
from headrace.service.problems import Refusal

if TYPE_CHECKING:
    from starlette.responses import Response

    from headrace.service.config import ServiceConfig

COOKIE = "headrace_key"
"""Where a browser that has signed in keeps its key; no script can read it."""
RECHECK = 15.0
"""Seconds after which the key of whoever follows a stream is looked at again."""
_WRONG_A_MINUTE = 20

_bearer = HTTPBearer(auto_error=False, description="An API key of the service.")
_header = APIKeyHeader(name="X-API-Key", auto_error=False, description="The same in a header of its own.")


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever sent a request. ``key_id`` is empty where none is needed."""

    org: str = "default"
    scopes: frozenset[str] = frozenset(SCOPES)
    name: str = ""
    key_id: str = ""

    @property
    def sees(self) -> str | None:
        """The organisation whose rows the caller sees; ``None``: all, where a person needs no key on their own machine."""
        return self.org if self.key_id else None


class Gate:
    """Tells callers by their keys. Without any key, a service that only this machine reaches takes everybody for the
    administrator."""

    def __init__(self, config: ServiceConfig, keys: Keys) -> None:
        self.keys = keys
        self._always = config.require_keys if config.require_keys is not None else not is_loopback(config.host)
        self._never = config.require_keys is False
        self._wrong = Buckets(_WRONG_A_MINUTE / 60, _WRONG_A_MINUTE)
        self._rates = Buckets(config.requests_per_second, 2 * config.requests_per_second)

    def needed(self) -> bool:
        """Whether a request needs a key. Blocks for the store."""
        return not self._never and (self._always or self.keys.exist())

    def first_key(self) -> str | None:
        """The first administrator's key, where keys are needed from the start and there is none."""
        return self.keys.first() if self._always else None

    def admit(self, text: str | None, address: str, *, kept: bool = False) -> Caller:
        """The caller with the key ``text``, which a browser may have ``kept`` from another service on this machine or an
        earlier one: where none is needed, a wrong one then is none. Raises Refusal: 401, or 429 after too many wrong
        keys. Blocks."""
        if text is None:
            if self.needed():
                raise _unknown("this service needs an API key")
            return Caller()
        if wait := self._wrong.wait(address):
            raise too_many(wait, "wrong keys")
        key = self.keys.find(text)
        if key is None and kept and not self.needed():
            return Caller()
        if key is None:
            self._wrong.take(address)
            raise _unknown("this API key is not known here")
        if wait := self._rates.take(key.key_id):
            raise too_many(wait)
        return _caller(key)


async def caller_of(connection: HTTPConnection) -> Caller:
    """Who sends a request. Raises Refusal (401, 429)."""
    gate: Gate = connection.app.state.gate
    sent, address = _sent(connection), address_of(connection.scope)
    text = sent or connection.cookies.get(COOKIE) or None
    if gate.keys.at_hand(text):
        return gate.admit(text, address)
    return await asyncio.to_thread(gate.admit, text, address, kept=sent is None)


async def while_admitted(connection: HTTPConnection, messages: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """``messages`` until the caller's key is revoked."""
    checked = time.monotonic()
    try:
        async for message in messages:
            if time.monotonic() - checked >= RECHECK:
                checked = time.monotonic()
                with suppress(StateError):
                    await caller_of(connection)
            yield message
    except Refusal:
        return
    finally:
        await messages.aclose()


def needs(scope: Scope) -> Callable[..., Awaitable[Caller]]:
    """The dependency of a route that only callers with ``scope`` may use."""

    async def caller(
        request: Request,
        bearer: Annotated[Any, Depends(_bearer)] = None,
        header: Annotated[Any, Depends(_header)] = None,
    ) -> Caller:
        found = await caller_of(request)
        if scope not in found.scopes:
            raise Refusal(403, f"this needs a key with the scope {scope}", hint="an administrator can make one")
        return found

    return caller


def sign_in(response: Response, text: str, *, secure: bool) -> None:
    """Have the browser send the key ``text`` from now on, to this service and from its own pages only."""
    response.set_cookie(COOKIE, text, httponly=True, samesite="strict", secure=secure, path="/")


def sign_out(response: Response) -> None:
    """Have the browser forget the key."""
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")


def _sent(connection: HTTPConnection) -> str | None:
    kind, _, rest = connection.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return rest.strip()
    return connection.headers.get("x-api-key") or None


def _caller(key: Key) -> Caller:
    return Caller(key.org, frozenset(s for s in SCOPES if covers(key.scope, s)), key.name or key.key_id, key.key_id)


def _unknown(message: str) -> Refusal:
    return Refusal(
        401,
        message,
        hint="send Authorization: Bearer KEY; the first key was printed when the service was started",
        headers={"WWW-Authenticate": "Bearer"},
    )


Reader: Any = Annotated[Caller, Depends(needs("read"))]
Runner: Any = Annotated[Caller, Depends(needs("run"))]
Admin: Any = Annotated[Caller, Depends(needs("admin"))]
