"""The contract of every auth kind: subclass :class:`AuthSuite`, say how one is made, run it with pytest.

class TestSignature(AuthSuite):
    kind = SignatureAuth(type="signature", provider="ACME")
    secret = Secret("the-key-of-acme")
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, ClassVar

from headrace.core.clock import Clock, SystemClock
from headrace.core.contracts import Auth, Secret
from headrace.core.errors import HeadraceError
from headrace.core.http import Request, Response, without_params

REQUEST = Request(
    "GET",
    "https://api.test/items?page=2",
    params=(("q", "a b"),),
    headers=(("Accept", "application/json"),),
    slot="s/1",
)


class RecordedSession:
    """An AuthSession that answers every token request alike and keeps what it was told."""

    def __init__(self, token: Mapping[str, Any]) -> None:
        self.clock: Clock = SystemClock()
        self.sent: list[Request] = []
        self.tokens: dict[str, Mapping[str, Any]] = {}
        self.masked: list[str] = []
        self._token = token

    async def send(self, request: Request) -> Response:
        self.sent.append(request)
        await asyncio.sleep(0)
        return Response(200, (), json.dumps(self._token).encode(), request.url, self.clock.now())

    def get_token(self, name: str) -> Mapping[str, Any] | None:
        return self.tokens.get(name)

    def put_token(self, name: str, token: Mapping[str, Any] | None) -> None:
        if token is None:
            self.tokens.pop(name, None)
        else:
            self.tokens[name] = token

    @asynccontextmanager
    async def alone(self, name: str) -> AsyncIterator[None]:
        await asyncio.sleep(0)
        yield

    def mask(self, secret: str) -> None:
        self.masked.append(secret)


class AuthSuite:
    """What the crawl relies on, whatever the kind."""

    kind: ClassVar[Auth]
    secret: ClassVar[Secret | None]
    token: ClassVar[Mapping[str, Any]] = {"access_token": "a-token-of-the-suite", "expires_in": 3600}
    """What the token server answers, for kinds that ask one."""

    def sign(self, request: Request = REQUEST, session: RecordedSession | None = None) -> Request:
        """``request`` as the kind sends it."""
        return asyncio.run(self.kind.sign(request, self.secret, session or RecordedSession(self.token)))

    def hidden(self, secret: Secret | None = None) -> list[str]:
        """Every text of the credential that must not be seen (``client_id`` and ``username`` may)."""
        secret = secret or self.secret
        if secret is None:
            return []
        fields = [text for name, text in secret.fields.items() if name not in ("client_id", "username")]
        return [text for text in (secret.value, *fields) if text]

    def test_the_request_itself_is_unchanged(self) -> None:
        signed = self.sign()
        kept = without_params(signed.full_url, self.kind.secret_params())
        assert kept == without_params(REQUEST.full_url, self.kind.secret_params())
        assert (signed.method, signed.slot, signed.json, signed.form, signed.text) == ("GET", "s/1", None, None, None)
        assert ("Accept", "application/json") in signed.headers

    def test_signing_twice_is_signing_once(self) -> None:
        assert self.sign(self.sign()) == self.sign()

    def test_the_credential_goes_out_unless_there_is_none(self) -> None:
        assert (self.sign() == REQUEST) == (self.kind.credential() is None)

    def test_no_url_that_is_shown_holds_a_secret(self) -> None:
        shown = without_params(self.sign().full_url, self.kind.secret_params())
        assert not [text for text in self.hidden() if text in shown]

    def test_neither_kind_nor_credential_tells_the_secret(self) -> None:
        asyncio.run(self.kind.sign(REQUEST, self.secret, RecordedSession(self.token)))
        texts = [repr(self.kind), str(self.kind), self.kind.model_dump_json(), repr(self.secret), str(self.secret)]
        texts.append(json.dumps(type(self.kind).model_json_schema()))
        assert not [text for text in self.hidden() if text in "".join(texts)]

    def test_no_error_tells_the_secret(self) -> None:
        if self.secret is None:
            return
        broken = replace(self.secret, value="no-colon-in-it", fields=dict.fromkeys(self.secret.fields, "broken-field"))
        for secret in (None, broken, self.secret):
            echo = " ".join(self.hidden(secret))
            session = RecordedSession({"error": "invalid_client", "error_description": echo})
            try:
                asyncio.run(self.kind.sign(REQUEST, secret, session))
            except HeadraceError as error:
                told = f"{error!r} {error} {getattr(error, 'body', '')}"
                assert not [text for text in self.hidden(secret) if text in told]

    def test_without_a_credential_it_says_so(self) -> None:
        if self.kind.credential() is None:
            return
        try:
            asyncio.run(self.kind.sign(REQUEST, None, RecordedSession(self.token)))
        except HeadraceError as error:
            assert error.hint  # noqa: PT017 - the suite needs no pytest
        else:
            raise AssertionError("a request went out without its credential")

    def test_tokens_are_masked_before_they_are_used(self) -> None:
        session = RecordedSession(self.token)
        signed = self.sign(session=session)
        if session.sent:
            token = str(self.token["access_token"])
            assert any(token in value for _, value in signed.headers)
            assert token in session.masked

    def test_many_at_once_ask_for_one_token(self) -> None:
        session = RecordedSession(self.token)

        async def all_at_once() -> set[Request]:
            return set(await asyncio.gather(*(self.kind.sign(REQUEST, self.secret, session) for _ in range(20))))

        assert len(asyncio.run(all_at_once())) == 1
        assert len(session.sent) <= 1
