"""OAuth 2: client credentials, a refresh token, or a token that was stored as it is."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote_plus
from weakref import WeakKeyDictionary

from pydantic import Field

from headrace.core.contracts import AuthSession, Secret
from headrace.core.errors import AuthRefused, InputError
from headrace.core.http import Request, Response
from headrace.sources.auth._credential import WithCredential
from headrace.sources.retry import NotSent

_locks: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, asyncio.Lock]] = WeakKeyDictionary()


class OAuth2Auth(WithCredential):
    """The credential decides the flow: one with ``refresh_token`` renews by it, one with ``client_id`` and
    ``client_secret`` uses client credentials, a plain text is sent as a bearer token.

    Tokens are renewed before they expire and once after a 401, by one process at a time. A rotated refresh token is
    stored before the token that came with it is used.
    """

    type: Literal["oauth2"] = "oauth2"
    token_url: str | None = None
    """Where tokens are asked for; may also be ``token_url`` of the credential."""
    scope: str | None = None
    """Scopes, separated by spaces."""
    audience: str | None = None
    extra: dict[str, str] = Field(default_factory=dict)
    """Further members of the token request."""
    client_auth: Literal["post", "basic"] = "post"
    """How the client names itself to the token server: in the body, or by basic authentication."""
    expiry_skew: float = Field(60, ge=0)
    """Renew this many seconds before a token expires (at most a tenth of its life)."""

    async def sign(self, request: Request, secret: Secret | None, session: AuthSession) -> Request:
        found = self.need(secret)
        token = await self._token(found, session) if self._renewable(found) else found.value
        return request.with_headers([("Authorization", f"Bearer {token}")])

    async def refused(self, secret: Secret | None, session: AuthSession) -> bool:
        if secret is None or not self._renewable(secret):
            return False
        name = self._name(secret)
        async with _lock(name), session.alone(name):
            kept = session.get_token(name) or {}
            # The refresh token stays: it may have been rotated, and then it is the only one.
            session.put_token(name, {key: kept[key] for key in ("refresh_token",) if key in kept} or None)
        return True

    @staticmethod
    def _renewable(secret: Secret) -> bool:
        return bool(secret.fields.get("refresh_token") or secret.fields.get("client_secret"))

    async def _token(self, secret: Secret, session: AuthSession) -> str:
        name = self._name(secret)
        token = self._valid(session.get_token(name), session)
        if token is None:
            async with _lock(name), session.alone(name):
                token = self._valid(session.get_token(name), session)
                if token is None:
                    token = await self._renew(name, secret, session)
        return token

    def _valid(self, kept: Mapping[str, Any] | None, session: AuthSession) -> str | None:
        if not kept or "access_token" not in kept:
            return None
        until = kept.get("renew_at")
        if until is not None and session.clock.now() >= until:
            return None
        for member in ("access_token", "refresh_token"):  # an earlier run may have got both
            if kept.get(member):
                session.mask(str(kept[member]))
        return str(kept["access_token"])

    async def _renew(self, name: str, secret: Secret, session: AuthSession) -> str:
        refresh = (session.get_token(name) or {}).get("refresh_token") or secret.fields.get("refresh_token")
        for text in (refresh, secret.fields.get("client_secret")):
            if text:
                session.mask(text)
        response = await session.send(self._token_request(secret, refresh, session))
        answer = self._read(response, secret, refresh)
        token = str(answer["access_token"])
        session.mask(token)
        kept: dict[str, Any] = {"access_token": token}
        rotated = answer.get("refresh_token") or refresh
        if rotated:
            session.mask(str(rotated))
            kept["refresh_token"] = str(rotated)
        life = _seconds(answer.get("expires_in"))
        if life is not None:
            kept["renew_at"] = session.clock.now() + int((life - min(self.expiry_skew, life / 10)) * 1e6)
        session.put_token(name, kept)
        return token

    def _token_request(self, secret: Secret, refresh: str | None, session: AuthSession) -> Request:
        url = self.token_url or secret.fields.get("token_url")
        if not url:
            raise InputError(
                "oauth2 needs token_url: the address that gives tokens",
                hint="auth: {type: oauth2, token_url: https://…/token}",
                place="auth.token_url",
            )
        form: dict[str, str] = {"grant_type": "client_credentials"}
        if refresh:
            form = {"grant_type": "refresh_token", "refresh_token": refresh}
        form |= {key: value for key, value in (("scope", self.scope), ("audience", self.audience)) if value}
        form |= self.extra
        client, password = secret.fields.get("client_id"), secret.fields.get("client_secret")
        headers = [("Accept", "application/json")]
        if self.client_auth == "basic" and client:
            # RFC 6749, 2.3.1: both are form-encoded before they are joined.
            pair = base64.b64encode(f"{quote_plus(client)}:{quote_plus(password or '')}".encode()).decode()
            session.mask(pair)
            headers.append(("Authorization", f"Basic {pair}"))
        else:
            form |= {key: value for key, value in (("client_id", client), ("client_secret", password)) if value}
        return Request("POST", url, form=tuple(form.items()), headers=tuple(headers))

    def _read(self, response: Response, secret: Secret, refresh: str | None) -> Mapping[str, Any]:
        """The token answer. Raises AuthRefused with the server's own words."""
        if response.status == 429 or response.status >= 500:
            raise NotSent(f"the token server answered {response.status}")
        try:
            answer = json.loads(response.body)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            answer = {}
        if response.status // 100 == 2 and answer.get("access_token") and not answer.get("error"):
            return answer
        error = str(answer.get("error") or f"status {response.status}, no access_token")
        detail = str(answer.get("error_description") or "")
        for text in (secret.fields.get("client_secret"), refresh, secret.value):
            if text:
                error, detail = error.replace(text, "***"), detail.replace(text, "***")
        hint = {
            "invalid_client": "check client_id and client_secret, and whether client_auth is post or basic",
            "invalid_grant": "the refresh token is expired, revoked or used: authorise again and store the new one",
            "invalid_scope": "check auth.scope",
        }.get(error, "check token_url and the credential")
        name = self.provider or self.secret_key or "this source"
        raise AuthRefused(
            f"no token for {name}: {error[:300]}{f' ({detail[:300]})' if detail else ''}",
            status=response.status,
            hint=hint,
            place="auth",
        )

    def _name(self, secret: Secret) -> str:
        """Where the token is kept: another client, scope or first refresh token is another token."""
        members = [secret.fields.get(key) for key in ("client_id", "refresh_token")]
        parts = [
            self.token_url or secret.fields.get("token_url"),
            self.scope,
            self.audience,
            sorted(self.extra.items()),
        ]
        digest = hashlib.sha256(json.dumps([*members, *parts]).encode()).hexdigest()[:32]
        return f"oauth2/{self.provider or self.secret_key or ''}/{digest}"


def _lock(name: str) -> asyncio.Lock:
    """One renewal at a time for a token, over all clients of this event loop."""
    return _locks.setdefault(asyncio.get_running_loop(), {}).setdefault(name, asyncio.Lock())


def _seconds(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
