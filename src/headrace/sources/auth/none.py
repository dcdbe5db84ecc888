"""No authentication."""

from __future__ import annotations

from typing import Literal

from headrace.core.contracts import Auth, AuthSession, Secret
from headrace.core.http import Request


class NoAuth(Auth):
    """Requests go out as they are; overrides an ``auth`` that the source has."""

    type: Literal["none"] = "none"

    async def sign(self, request: Request, secret: Secret | None, session: AuthSession) -> Request:
        return request
