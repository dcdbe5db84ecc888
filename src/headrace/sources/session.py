"""What an auth kind may use: requests of its own, tokens that are kept, the clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Protocol

from headrace.core.clock import Clock
from headrace.core.http import Request, Response
from headrace.sources.retry import NotSent

_BETWEEN_TRIES = 0.05
_LONGEST_TURN = 90.0
"""Seconds; a token request itself takes at most 60."""


class TokenStore(Protocol):
    """Where tokens are kept between runs."""

    def get_token(self, name: str) -> Mapping[str, Any] | None: ...
    def put_token(self, name: str, token: Mapping[str, Any] | None) -> None:
        """Stored durably when this returns; ``None`` forgets."""
        ...

    def take_turn(self, name: str, owner: str) -> bool:
        """Whether ``owner`` may renew the token called ``name`` now, and no other process."""
        ...

    def end_turn(self, name: str, owner: str) -> None: ...


class MemoryTokens:
    """Tokens of one process; a rotated refresh token is lost with it."""

    def __init__(self) -> None:
        self._tokens: dict[str, Mapping[str, Any]] = {}

    def get_token(self, name: str) -> Mapping[str, Any] | None:
        return self._tokens.get(name)

    def put_token(self, name: str, token: Mapping[str, Any] | None) -> None:
        if token is None:
            self._tokens.pop(name, None)
        else:
            self._tokens[name] = token

    def take_turn(self, name: str, owner: str) -> bool:
        return True

    def end_turn(self, name: str, owner: str) -> None:
        """Nobody else sees these tokens."""


class ClientSession:
    """The :class:`~headrace.core.contracts.AuthSession` that :class:`~headrace.sources.client.ApiClient` gives."""

    def __init__(
        self,
        clock: Clock,
        tokens: TokenStore,
        send: Callable[[Request], Awaitable[Response]],
        mask: Callable[[str], None],
        only_to: tuple[str, ...] = (),
    ) -> None:
        self.clock = clock
        self._tokens, self._send, self._mask, self._only_to = tokens, send, mask, only_to

    async def send(self, request: Request) -> Response:
        """Unsigned, once: when it fails, the request that needed it is tried again. No redirect is followed,
        any status is returned, and the body is not masked, since it carries the token."""
        return await self._send(replace(request, only_to=self._only_to))

    def get_token(self, name: str) -> Mapping[str, Any] | None:
        return self._tokens.get_token(name)

    def put_token(self, name: str, token: Mapping[str, Any] | None) -> None:
        self._tokens.put_token(name, token)

    @asynccontextmanager
    async def alone(self, name: str) -> AsyncIterator[None]:
        """Waits for its turn; raises NotSent when another process keeps it too long."""
        owner = self.clock.random_bytes(16).hex()
        waited = 0.0
        while not self._tokens.take_turn(name, owner):
            if waited >= _LONGEST_TURN:
                raise NotSent(f"another process has been renewing this token for {_LONGEST_TURN:.0f} s")
            await self.clock.sleep(_BETWEEN_TRIES)
            waited += _BETWEEN_TRIES
        try:
            yield
        finally:
            self._tokens.end_turn(name, owner)

    def mask(self, secret: str) -> None:
        self._mask(secret)
