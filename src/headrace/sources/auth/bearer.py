"""``Authorization: Bearer <token>``."""

from __future__ import annotations

from typing import Literal

from headrace.core.contracts import AuthSession, Secret
from headrace.core.http import Request
from headrace.sources.auth._credential import WithCredential


class BearerAuth(WithCredential):
    """The credential is the token alone: the word ``Bearer`` is put before it, whatever it starts with."""

    type: Literal["bearer"] = "bearer"

    async def sign(self, request: Request, secret: Secret | None, session: AuthSession) -> Request:
        return request.with_headers([("Authorization", f"Bearer {self.need(secret).value}")])
