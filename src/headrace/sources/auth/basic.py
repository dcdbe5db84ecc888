"""HTTP basic authentication."""

from __future__ import annotations

import base64
from typing import Literal

from headrace.core.contracts import AuthSession, Secret
from headrace.core.errors import InputError
from headrace.core.http import Request
from headrace.sources.auth._credential import WithCredential


class BasicAuth(WithCredential):
    """The credential is ``user:password`` (either part may be empty), or JSON with ``username`` and ``password``."""

    type: Literal["basic"] = "basic"

    async def sign(self, request: Request, secret: Secret | None, session: AuthSession) -> Request:
        found = self.need(secret)
        if "username" in found.fields or "password" in found.fields:
            user, password = found.fields.get("username", ""), found.fields.get("password", "")
        elif ":" in found.value:
            user, _, password = found.value.partition(":")
        else:
            raise InputError(
                "the credential for basic authentication has no colon",
                hint="it is user:password; a key used as the user name is written 'key:'",
                place="auth",
            )
        pair = f"{user}:{password}"
        encoded = base64.b64encode(pair.encode()).decode()
        # With an empty password the user name is the key itself (Stripe).
        for text in (pair, encoded, password or user):
            session.mask(text)
        return request.with_headers([("Authorization", f"Basic {encoded}")])
