"""The key in a header of its own."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from headrace.core.contracts import AuthSession, Secret
from headrace.core.http import Request
from headrace.sources.auth._credential import WithCredential


class HeaderAuth(WithCredential):
    """The credential is the header's whole value (``Token abc`` where the API wants a word before it)."""

    type: Literal["header"] = "header"
    header_name: str = Field("X-API-Key", pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
    """Name of the header."""

    async def sign(self, request: Request, secret: Secret | None, session: AuthSession) -> Request:
        return request.with_headers([(self.header_name, self.need(secret).value)])
