"""What an auth kind may use: requests of its own, tokens that are kept, the clock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from headrace.core.clock import Clock
from headrace.core.http import Request, Response


class TokenStore(Protocol):
    """Where tokens are kept between runs."""

    def get_token(self, name: str) -> Mapping[str, Any] | None: ...
    def put_token(self, name: str, token: Mapping[str, Any] | None) -> None:
        """Stored durably when this returns; ``None`` forgets."""
        ...


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


class ClientSession:
    """The :class:`~headrace.core.contracts.AuthSession` that :class:`~headrace.sources.client.ApiClient` gives."""

    def __init__(
        self,
        clock: Clock,
        tokens: TokenStore,
        send: Callable[[Request], Awaitable[Response]],
        mask: Callable[[str], None],
    ) -> None:
        self.clock = clock
        self._tokens, self._send, self._mask = tokens, send, mask

    async def send(self, request: Request) -> Response:
        """Unsigned, once: when it fails, the request that needed it is tried again. No redirect is followed,
        any status is returned, and the body is not masked, since it carries the token."""
        return await self._send(request)

    def get_token(self, name: str) -> Mapping[str, Any] | None:
        return self._tokens.get_token(name)

    def put_token(self, name: str, token: Mapping[str, Any] | None) -> None:
        self._tokens.put_token(name, token)

    def mask(self, secret: str) -> None:
        self._mask(secret)
