"""ApiClient against real servers: redirects, origins, secrets, the cache, statuses."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from headrace.core import faults
from headrace.core.contracts import Secret
from headrace.core.errors import AuthRefused, OriginRefused, RequestFailed
from headrace.core.events import RequestSent
from headrace.core.http import Request, origin
from headrace.sources.auth.bearer import BearerAuth
from headrace.sources.auth.header import HeaderAuth
from headrace.sources.auth.query import QueryAuth
from headrace.sources.client import BudgetSpent, redirected, request_key
from headrace.sources.ratelimit import RateLimit

KEY = "k3y/with+odd&chars"


async def test_an_answer_comes_whole_with_its_headers_and_time(rig, serve) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=b'{"a": 1}', headers=[("X-One", "1"), ("x-one", "2")], content_type="application/json")

    base = await serve(handler)
    response = await rig.client().fetch(Request("GET", f"{base}/p", params=(("q", "a b&c"),)))
    assert (response.status, response.body, response.url) == (200, b'{"a": 1}', f"{base}/p?q=a%20b%26c")
    assert response.header_all("X-One") == ["1", "2"]
    assert response.fetched_at == rig.clock.now()
    (sent,) = rig.of(RequestSent)
    assert (sent.url, sent.status) == (response.url, 200)


async def test_a_cache_hit_sends_nothing_and_offline_needs_one(rig, serve) -> None:
    asked: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        asked.append(request.path_qs)
        return web.Response(text="x")

    base = await serve(handler)
    cache = rig.cache()
    request = Request("GET", f"{base}/p", slot="s/1")
    points: list[str] = []
    faults.install(points.append)
    try:
        first = await rig.client(cache=cache).fetch(request)
    finally:
        faults.install(None)
    assert points == ["fetch.sent", "fetch.cached"]
    client = rig.client(cache=cache, offline=True)
    second = await client.fetch(request)
    assert (first.from_cache, second.from_cache, second.body) == (False, True, b"x")
    assert (client.requests, client.cached, asked) == (0, 1, ["/p"])
    again = await rig.client(cache=cache).fetch(request, fresh=True)
    assert not again.from_cache
    assert asked == ["/p", "/p"]
    with pytest.raises(RequestFailed, match="not in the cache") as caught:
        await client.fetch(Request("GET", f"{base}/p", slot="s/2"))
    assert "--offline" in caught.value.hint
    assert caught.value.status is None
    assert asked == ["/p", "/p"]


async def test_a_kept_404_counts_only_where_it_is_accepted(rig, serve) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=404, text="no more")

    base = await serve(handler)
    cache = rig.cache()
    client = rig.client(cache=cache)
    request = Request("GET", f"{base}/p")
    assert (await client.fetch(request, accept=frozenset({404}))).status == 404
    assert (await client.fetch(request, accept=frozenset({404}))).from_cache
    with pytest.raises(RequestFailed, match="404 Not Found: no more") as caught:
        await client.fetch(request)
    assert caught.value.status == 404
    assert "end_on: [404]" in caught.value.hint


def test_the_cache_key_knows_place_and_question_but_no_credential() -> None:
    request = Request("GET", "https://a/b", params=(("x", "1"),), slot="s/1")
    keys = {request_key(r) for r in (
        request, Request("POST", "https://a/b", params=(("x", "1"),), slot="s/1"),
        Request("GET", "https://a/b", params=(("x", "2"),), slot="s/1"),
        Request("GET", "https://a/b", params=(("x", "1"),), slot="s/2"),
        Request("GET", "https://a/b", params=(("x", "1"),), slot="s/1", json={"a": 1}),
        Request("GET", "https://a/b", params=(("x", "1"),), slot="s/1", text='{"a":1}'),
    )}  # fmt: skip
    assert len(keys) == 6
    assert request_key(request.with_headers([("Authorization", "x")])) in keys


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_redirects_in_the_same_origin_are_followed_and_signed(rig, serve, status: int, method: str) -> None:
    seen: list[tuple[str, str, str, str | None]] = []

    async def handler(request: web.Request) -> web.Response:
        text = await request.text()
        seen.append((request.method, request.path_qs, text, request.headers.get("X-API-Key")))
        if request.path == "/a":
            return web.Response(status=status, headers={"Location": "b?x=1#part"})
        return web.Response(text="there")

    base = await serve(handler)
    client = rig.client(auth=HeaderAuth(), secret=Secret(KEY))
    request = Request(method, f"{base}/a", params=(("q", "1"),), text="body" if method == "POST" else None)
    response = await client.fetch(request)
    kept = method == "POST" and status in (307, 308)
    assert seen == [
        (method, "/a?q=1", "body" if method == "POST" else "", KEY),
        ("POST" if kept else "GET", "/b?x=1", "body" if kept else "", KEY),
    ]
    assert response.url == f"{base}/b?x=1"


async def test_another_origin_is_refused_before_a_byte_goes_there(rig, serve) -> None:
    asked: list[dict[str, str]] = []

    async def other(request: web.Request) -> web.Response:
        asked.append(dict(request.headers))
        return web.Response(text="other")

    there = await serve(other)

    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": f"{there}/x?secret=1"})

    base = await serve(handler)
    request = Request("GET", f"{base}/a", headers=(("X-Own-Key", "mine"), ("Accept", "text/csv")))
    with pytest.raises(OriginRefused, match="another origin") as caught:
        await rig.client(auth=BearerAuth(), secret=Secret(KEY)).fetch(request)
    assert there in str(caught.value)
    assert "secret=1" not in str(caught.value)
    assert asked == []
    client = rig.client(auth=BearerAuth(), secret=Secret(KEY), origins=frozenset({origin(there)}), home=base)
    assert (await client.fetch(request)).body == b"other"
    assert asked[0]["Accept"] == "text/csv"
    assert not {"Authorization", "X-Own-Key"} & set(asked[0])
    with pytest.raises(OriginRefused, match="https://evil"):
        await client.fetch(Request("GET", "https://evil.test/a"))
    with pytest.raises(OriginRefused):  # home as the call has it wins
        await client.fetch(Request("GET", f"{base}/a"), home="https://tenant.test/")
    host = there.removeprefix("http://")
    client = rig.client(auth=BearerAuth(), secret=Secret(KEY), origins=[host])
    assert (await client.fetch(request, home=base)).body == b"other"  # a bare host, from a home without TLS
    # A next link to an allowed origin is a request of its own: no credential either.
    await client.fetch(Request("GET", client.check_link(f"{there}/next", base)))
    assert not [headers for headers in asked if "Authorization" in headers]
    assert len(asked) == 3


async def test_a_401_from_elsewhere_does_not_cost_the_token(rig, serve, monkeypatch) -> None:
    async def other(request: web.Request) -> web.Response:
        return web.Response(status=401)

    there = await serve(other)

    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": there})

    async def refused(*_: object) -> bool:
        raise AssertionError("nothing of ours was refused")

    monkeypatch.setattr(BearerAuth, "refused", refused)
    base = await serve(handler)
    client = rig.client(auth=BearerAuth(), secret=Secret(KEY), origins=[there], home=base)
    with pytest.raises(AuthRefused):
        await client.fetch(Request("GET", base))
    assert client.requests == 2


async def test_home_is_signed_even_when_it_is_listed_as_allowed(rig, serve) -> None:
    keys: list[str | None] = []

    async def handler(request: web.Request) -> web.Response:
        keys.append(request.headers.get("Authorization"))
        return web.Response()

    base = await serve(handler)
    client = rig.client(auth=BearerAuth(), secret=Secret("t"), origins=frozenset({origin(base)}), home=f"{base}/v1")
    await client.fetch(Request("GET", f"{base}/a"))
    assert keys == ["Bearer t"]


async def test_circles_of_redirects_end(rig, serve) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "/a"})

    base = await serve(handler)
    client = rig.client()
    with pytest.raises(RequestFailed, match="more than 10 redirects"):
        await client.fetch(Request("GET", f"{base}/a"))
    assert client.requests == 11


@pytest.mark.parametrize(
    ("link", "result"),
    [
        ("/b?page=2", "https://api.test/b?page=2"),
        ("?page=2", "https://api.test/a/items?page=2"),
        ("//api.test/c", "https://api.test/c"),
        ("https://API.test:443/c%2Fd?e=%20", "https://API.test:443/c%2Fd?e=%20"),
        ("https://cdn.test/c", "https://cdn.test/c"),
        ("https://api.test/b?api_key=SECRET&x=1&api%5Fkey=2", "https://api.test/b?x=1"),
        ("http://api.test/b", None),
        ("https://api.test:444/b", None),
        ("https://api.test.evil.test/b", None),
        ("https://api.test@evil.test/b", None),
        ("https://user@api.test/b", None),
        ("//evil.test/b", None),
        ("\\\\evil.test/b", "https://api.test/a/\\\\evil.test/b"),
        ("ftp://api.test/b", None),
        ("javascript:1", None),
        ("https://api.test:x/b", None),
    ],
)
async def test_links_are_resolved_or_refused(rig, link: str, result: str | None) -> None:
    client = rig.client(auth=QueryAuth(), secret=Secret(KEY), origins=["cdn.test"])
    if result is None:
        with pytest.raises(OriginRefused):
            client.check_link(link, "https://api.test/a/items")
    else:
        assert client.check_link(link, "https://api.test/a/items") == result


async def test_a_key_that_the_api_echoes_is_masked_everywhere(rig, serve) -> None:
    async def handler(request: web.Request) -> web.Response:
        key = request.query["api_key"]
        if request.path == "/a":
            return web.Response(status=302, headers={"Location": f"/b?{request.query_string}&again=1"})
        status = 500 if request.path == "/broken" else 200
        return web.Response(
            status=status, text=f'{{"you": "{key}"}}', headers={"X-Echo": key, "Link": str(request.url)}
        )

    base = await serve(handler)
    cache = rig.cache()
    client = rig.client(auth=QueryAuth(), secret=Secret(KEY), cache=cache, limit=RateLimit(max_retries=1))
    response = await client.fetch(Request("GET", f"{base}/a", params=(("page", "1"),)))
    assert response.body == b'{"you": "***"}'
    assert response.masked == 1
    assert response.url == f"{base}/b?page=1&again=1"
    with pytest.raises(RequestFailed) as caught:
        await client.fetch(Request("GET", f"{base}/broken"))
    kept = repr([response, cache, rig.events, str(caught.value), caught.value.body])
    for form in (KEY, "k3y%2Fwith%2Bodd%26chars", "odd&chars"):
        assert form not in kept
    assert "***" in caught.value.body


async def test_a_401_names_the_credential_and_what_to_do(rig, serve) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=int(request.path[1:]), text="go away " + request.headers.get("Authorization", ""))

    base = await serve(handler)
    client = rig.client(auth=BearerAuth(provider="ACME"), secret=Secret(KEY))
    for status, words in ((401, "wrong or expired"), (403, "may not do this")):
        with pytest.raises(AuthRefused, match="go away") as caught:
            await client.fetch(Request("GET", f"{base}/{status}"))
        assert caught.value.status == status
        assert "'ACME'" in caught.value.hint
        assert words in caught.value.hint
        assert KEY not in str(caught.value)
    assert client.requests == 2
    with pytest.raises(AuthRefused, match="no credential was sent"):
        await rig.client().fetch(Request("GET", f"{base}/401"))


async def test_the_budget_counts_requests_and_stops(rig, serve) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text="x")

    base = await serve(handler)
    cache = rig.cache()
    client = rig.client(limit=RateLimit(budget=2), cache=cache)
    for page in (1, 1, 2):
        await client.fetch(Request("GET", f"{base}/{page}"))
    with pytest.raises(BudgetSpent):
        await client.fetch(Request("GET", f"{base}/3"))
    assert client.requests == 2


async def test_many_tasks_share_one_client(rig, serve) -> None:
    flying, most = 0, 0

    async def handler(request: web.Request) -> web.Response:
        nonlocal flying, most
        flying += 1
        most = max(most, flying)
        await asyncio.sleep(0.01)
        flying -= 1
        return web.Response(text=request.path)

    base = await serve(handler)
    client = rig.client(limit=RateLimit(concurrency=3, requests_per_second=1e6))
    found = await asyncio.gather(*(client.fetch(Request("GET", f"{base}/{n}")) for n in range(12)))
    assert [response.body for response in found] == [f"/{n}".encode() for n in range(12)]
    assert most == 3


def test_a_redirected_post_loses_its_body_and_type() -> None:
    request = Request("POST", "https://a/b", json={"a": 1}, headers=(("Content-Type", "x"), ("Accept", "y")))
    moved = redirected(request, 303, "https://a/c")
    assert (moved.method, moved.json, moved.headers) == ("GET", None, (("Accept", "y"),))
    assert redirected(request, 308, "https://a/c").json == {"a": 1}
