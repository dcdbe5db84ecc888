"""Every auth kind under the contract, and what is special in each."""

from __future__ import annotations

import asyncio
import base64
import json

import pytest
from aiohttp import web
from pydantic import ValidationError

from headrace.core.contracts import Auth, CredentialRef, Secret
from headrace.core.errors import AuthRefused, InputError, RequestFailed, SecretMissing
from headrace.core.http import Request
from headrace.core.kinds import menu
from headrace.sources.auth.basic import BasicAuth
from headrace.sources.auth.bearer import BearerAuth
from headrace.sources.auth.header import HeaderAuth
from headrace.sources.auth.none import NoAuth
from headrace.sources.auth.oauth2 import OAuth2Auth
from headrace.sources.auth.query import QueryAuth
from headrace.sources.session import MemoryTokens
from headrace.testing.auth_suite import REQUEST, AuthSuite, RecordedSession

TOKEN_URL = "https://login.test/token"
CLIENT = Secret("", {"client_id": "the-client", "client_secret": "s3cret/of+client"})
REFRESH = Secret("", {"client_id": "the-client", "client_secret": "s3cret/of+client", "refresh_token": "refresh-0"})


class TestNone(AuthSuite):
    kind = NoAuth()
    secret = None


class TestBearer(AuthSuite):
    kind = BearerAuth(provider="ACME")
    secret = Secret("a/very+secret token")


class TestHeader(AuthSuite):
    kind = HeaderAuth(provider="ACME", header_name="X-RapidAPI-Key")
    secret = Secret("a/very+secret token")


class TestQuery(AuthSuite):
    kind = QueryAuth(secret_key="acme")
    secret = Secret("a/very+secret token")


class TestBasic(AuthSuite):
    kind = BasicAuth(provider="ACME")
    secret = Secret("someone:pass:word/1")


class TestClientCredentials(AuthSuite):
    kind = OAuth2Auth(provider="ACME", token_url=TOKEN_URL)
    secret = CLIENT


class TestClientCredentialsByBasic(AuthSuite):
    kind = OAuth2Auth(provider="ACME", token_url=TOKEN_URL, client_auth="basic")
    secret = CLIENT


class TestRefreshToken(AuthSuite):
    kind = OAuth2Auth(provider="ACME", token_url=TOKEN_URL)
    secret = REFRESH
    token = {**AuthSuite.token, "refresh_token": "refresh-1"}


class TestStoredToken(AuthSuite):
    kind = OAuth2Auth(provider="ACME")
    secret = Secret("a-plain-stored-token")


def test_the_folder_is_the_menu_and_every_kind_is_under_the_contract() -> None:
    kinds = menu("headrace.sources.auth", Auth)
    assert sorted(kinds) == ["basic", "bearer", "header", "none", "oauth2", "query"]
    covered = {type(suite.kind) for suite in AuthSuite.__subclasses__()}
    assert set(kinds.values()) <= covered
    for name, kind in kinds.items():
        made = kind(type=name) if name == "none" else kind(type=name, provider="P", secret_key="K")
        assert made.credential() == (None if name == "none" else CredentialRef("P", "K"))


@pytest.mark.parametrize(
    ("kind", "value", "header", "sent"),
    [
        (BearerAuth(), "abc", "Authorization", "Bearer abc"),
        (BearerAuth(), "Bearer abc", "Authorization", "Bearer Bearer abc"),
        (HeaderAuth(), "abc", "X-API-Key", "abc"),
        (HeaderAuth(header_name="Authorization"), "Token abc", "Authorization", "Token abc"),
        (BasicAuth(), "user:pa:ss", "Authorization", "Basic " + base64.b64encode(b"user:pa:ss").decode()),
        (BasicAuth(), "sk_key:", "Authorization", "Basic " + base64.b64encode(b"sk_key:").decode()),
        (OAuth2Auth(), "stored", "Authorization", "Bearer stored"),
    ],
)
async def test_what_is_sent(kind: Auth, value: str, header: str, sent: str) -> None:
    request = REQUEST.with_headers([(header.lower(), "from the file")])
    signed = await kind.sign(request, Secret(value), RecordedSession({}))
    assert [v for name, v in signed.headers if name.lower() == header.lower()] == [sent]


async def test_query_replaces_the_parameter_wherever_it_stood() -> None:
    request = Request("GET", "https://a.test/?api_key=old&x=1", params=(("api_key", "older"), ("y", "2")))
    signed = await QueryAuth().sign(request, Secret("k&y"), RecordedSession({}))
    assert signed.full_url == "https://a.test/?x=1&y=2&api_key=k%26y"
    assert QueryAuth(param_name="token").secret_params() == {"token"}


async def test_basic_takes_two_fields_or_says_what_it_takes() -> None:
    session = RecordedSession({})
    signed = await BasicAuth().sign(REQUEST, Secret("", {"username": "u", "password": "pässword"}), session)
    encoded = base64.b64encode("u:pässword".encode()).decode()
    assert ("Authorization", f"Basic {encoded}") in signed.headers
    assert {"pässword", encoded} <= set(session.masked)
    with pytest.raises(InputError, match="no colon") as caught:
        await BasicAuth().sign(REQUEST, Secret("just-a-key"), session)
    assert "user:pass" in caught.value.hint


async def test_a_missing_credential_names_where_it_would_come_from() -> None:
    with pytest.raises(SecretMissing, match="no credential for ACME") as caught:
        await BearerAuth(provider="ACME").sign(REQUEST, None, RecordedSession({}))
    assert "ACME_API_KEY" in caught.value.hint


def test_a_header_name_is_one() -> None:
    with pytest.raises(ValidationError):
        HeaderAuth(header_name="X Key:")


class TokenServer:
    """Gives tokens, rotates refresh tokens, and an API that takes only the last token."""

    def __init__(self, *, expires_in: object = 3600, rotate: bool = False) -> None:
        self.asked: list[tuple[dict[str, str], str | None]] = []
        self.api_calls = 0
        self.valid = ""
        self.refresh = "refresh-0"
        self.expires_in, self.rotate = expires_in, rotate
        self.error: tuple[int, object] | None = None

    async def handle(self, request: web.Request) -> web.Response:
        if request.path == "/token":
            form = {name: str(value) for name, value in (await request.post()).items()}
            self.asked.append((form, request.headers.get("Authorization")))
            await asyncio.sleep(0.01)
            if self.error is not None:
                status, body = self.error
                return (
                    web.json_response(body, status=status)
                    if not isinstance(body, str)
                    else web.Response(text=body, status=status)
                )
            if form["grant_type"] == "refresh_token" and form["refresh_token"] != self.refresh:
                return web.json_response(
                    {"error": "invalid_grant", "error_description": f"no {form['refresh_token']}"}, status=400
                )
            self.valid = f"token-number-{len(self.asked)}"
            answer = {"access_token": self.valid, "token_type": "bearer", "expires_in": self.expires_in}
            if self.rotate:
                self.refresh = answer["refresh_token"] = f"refresh-{len(self.asked)}"
            return web.json_response(answer)
        self.api_calls += 1
        good = request.headers.get("Authorization") == f"Bearer {self.valid}"
        return web.Response(status=200 if good else 401, text=request.headers.get("Authorization", ""))


@pytest.fixture
async def start(rig, serve):
    """Start a token server; returns it and a function that makes clients of it."""

    async def make(
        secret: Secret = CLIENT, tokens: MemoryTokens | None = None, server: TokenServer | None = None, **options
    ):
        server = server or TokenServer()
        base = await serve(server.handle)
        auth = OAuth2Auth(token_url=f"{base}/token", provider="ACME", **options)
        return server, Request("GET", f"{base}/items"), lambda: rig.client(auth=auth, secret=secret, tokens=tokens)

    return make


async def test_one_token_serves_many_requests_and_is_asked_for_once(start) -> None:
    server, request, client = await start(scope="read write", audience="api", extra={"tenant": "t"})
    one = client()
    answers = await asyncio.gather(*(one.fetch(request) for _ in range(30)))
    assert {answer.body for answer in answers} == {b"Bearer ***"}
    assert server.asked == [
        (
            {
                "grant_type": "client_credentials", "scope": "read write", "audience": "api", "tenant": "t",
                "client_id": "the-client", "client_secret": "s3cret/of+client",
            },
            None,
        )
    ]  # fmt: skip


async def test_the_client_may_name_itself_by_basic(start) -> None:
    server, request, client = await start(client_auth="basic")
    await client().fetch(request)
    ((form, header),) = server.asked
    assert form == {"grant_type": "client_credentials"}
    assert header == "Basic " + base64.b64encode(b"the-client:s3cret%2Fof%2Bclient").decode()


async def test_a_token_is_renewed_before_it_expires(rig, start) -> None:
    server, request, client = await start(server=TokenServer(expires_in="600"))
    one = client()
    await one.fetch(request)
    rig.clock.time += 538
    await one.fetch(request)
    assert len(server.asked) == 1
    rig.clock.time += 3
    await one.fetch(request)
    assert len(server.asked) == 2
    assert server.api_calls == 3  # none was refused


async def test_a_short_life_is_not_all_skew(rig, start) -> None:
    server, request, client = await start(server=TokenServer(expires_in=30))
    one = client()
    for _ in range(3):
        await one.fetch(request)
    assert len(server.asked) == 1
    rig.clock.time += 28
    await one.fetch(request)
    assert len(server.asked) == 2


async def test_after_a_401_one_renewal_serves_all(start) -> None:
    server, request, client = await start(server=TokenServer(expires_in=None))
    one = client()
    await one.fetch(request)
    server.valid = "revoked"
    server.api_calls = 0
    answers = await asyncio.gather(*(one.fetch(request) for _ in range(10)))
    assert {answer.status for answer in answers} == {200}
    assert len(server.asked) == 2
    assert server.api_calls <= 20


async def test_a_second_401_stands(start) -> None:
    server, request, client = await start()
    server.error = (200, {"access_token": "one-that-the-api-refuses"})
    with pytest.raises(AuthRefused, match="401") as caught:
        await client().fetch(request)
    assert "ACME" in caught.value.hint
    assert len(server.asked) == 2
    assert server.api_calls == 2


async def test_a_rotated_refresh_token_is_stored_before_its_token_is_used(rig, start) -> None:
    class Tokens(MemoryTokens):
        kept: list[tuple[str, int]] = []

        def put_token(self, name, token) -> None:
            self.kept.append((json.dumps(token), server.api_calls))
            super().put_token(name, token)

    tokens = Tokens()
    server, request, client = await start(REFRESH, tokens, TokenServer(rotate=True))
    await client().fetch(request)
    assert server.asked[0][0]["grant_type"] == "refresh_token"
    ((kept, calls_before),) = tokens.kept
    assert "refresh-1" in kept
    assert calls_before == 0
    # Another process, later: the credential still says refresh-0, which is used up.
    rig.clock.time += 7200
    await client().fetch(request)
    assert [form["refresh_token"] for form, _ in server.asked] == ["refresh-0", "refresh-1"]
    # A 401 drops the access token, and never the refresh token.
    server.valid = "revoked"
    await client().fetch(request)
    assert server.asked[-1][0]["refresh_token"] == "refresh-2"


async def test_a_new_credential_is_not_held_back_by_an_old_token(start) -> None:
    tokens = MemoryTokens()
    server, request, client = await start(REFRESH, tokens, TokenServer(rotate=True))
    await client().fetch(request)
    server.refresh = "refresh-new"
    fresh = Secret("", {**REFRESH.fields, "refresh_token": "refresh-new"})
    base = request.url.removesuffix("/items")
    auth = OAuth2Auth(token_url=f"{base}/token", provider="ACME")
    session = RecordedSession({"access_token": "x"})
    session.tokens = tokens._tokens
    await auth.sign(request, fresh, session)
    assert dict(session.sent[0].form or ())["refresh_token"] == "refresh-new"


@pytest.mark.parametrize(
    ("error", "words", "hint"),
    [
        ((400, {"error": "invalid_grant", "error_description": "expired refresh-0"}), r"invalid_grant \(expired \*\*\*\)", "authorise again"),
        ((401, {"error": "invalid_client"}), "invalid_client", "client_secret"),
        ((200, {"error": "bad_verification_code"}), "bad_verification_code", "token_url"),
        ((200, {"access": "?"}), "status 200, no access_token", "token_url"),
        ((404, "<html>s3cret/of+client</html>"), "status 404", "token_url"),
    ],
)  # fmt: skip
async def test_the_token_servers_own_words_are_told(rig, start, error, words: str, hint: str) -> None:
    server, request, client = await start(REFRESH)
    server.error = error
    with pytest.raises(AuthRefused, match=words) as caught:
        await client().fetch(request)
    assert hint in caught.value.hint
    assert "ACME" in str(caught.value)
    assert len(server.asked) == 1
    assert server.api_calls == 0
    assert "s3cret" not in repr(caught.value) + str(caught.value) + repr(rig.events)


async def test_a_token_server_that_is_down_is_asked_again(rig, start) -> None:
    server, request, client = await start()
    server.error = (503, "down")
    with pytest.raises(RequestFailed, match="the token server answered 503") as caught:
        await client().fetch(request)
    assert caught.value.status is None
    assert len(server.asked) == 4
    assert server.api_calls == 0


async def test_a_request_that_is_not_safe_is_not_lost_to_the_token_server(rig, raw) -> None:
    broken = await raw(
        b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{}",
        b'HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{"access_token":"t"}',
    )
    api = await raw(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    client = rig.client(auth=OAuth2Auth(token_url=broken.url), secret=CLIENT)
    await client.fetch(Request("POST", api.url, safe=False))
    assert len(broken.heads) == 2
    assert b"Bearer t\r\n" in api.heads[0]


async def test_oauth2_without_a_token_url_says_what_to_write() -> None:
    with pytest.raises(InputError, match="token_url"):
        await OAuth2Auth().sign(REQUEST, CLIENT, RecordedSession({}))
    session = RecordedSession({"access_token": "x"})
    await OAuth2Auth().sign(REQUEST, Secret("", {**CLIENT.fields, "token_url": TOKEN_URL}), session)
    assert session.sent[0].url == TOKEN_URL
