"""The transport against servers that write exact bytes: every way an answer can fail to come whole."""

from __future__ import annotations

import asyncio
import gzip
import socket
from dataclasses import replace

import pytest
from aiohttp import web

from headrace.core.errors import DecodeError, InputError, RequestFailed
from headrace.core.http import Request
from headrace.sources.http import AiohttpTransport, wire_url
from headrace.sources.retry import NotSent

BODY = b'{"items": [1, 2, 3]}'
PACKED = gzip.compress(BODY * 100)


def answer(body: bytes, *headers: str, version: str = "1.1") -> bytes:
    head = "\r\n".join([f"HTTP/{version} 200 OK", "Content-Type: application/json", *headers])
    return f"{head}\r\n\r\n".encode() + body


def length(n: int) -> str:
    return f"Content-Length: {n}"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


CUT = {
    "content-length": answer(BODY, length(len(BODY) + 1)),
    "content-length, nothing": answer(b"", length(5)),
    "content-length, gzip": answer(PACKED[:40], "Content-Encoding: gzip", length(len(PACKED))),
    "gzip of its own length": answer(PACKED[:-3], "Content-Encoding: gzip", length(len(PACKED) - 3)),
    "gzip until close": answer(PACKED[:-3], "Content-Encoding: gzip", "Connection: close"),
    "gzip until close, nothing": answer(b"", "Content-Encoding: gzip", "Connection: close"),
    "gzip in whole chunks": answer(
        chunk(PACKED[:-3]) + b"0\r\n\r\n", "Content-Encoding: gzip", "Transfer-Encoding: chunked"
    ),
    "json until close": answer(BODY[:-1], "Connection: close"),
    "json until close, HTTP/1.0": answer(BODY[:9], version="1.0"),
    "chunked without its end": answer(chunk(BODY), "Transfer-Encoding: chunked"),
    "inside a chunk": answer(chunk(BODY)[:10], "Transfer-Encoding: chunked"),
}
WHOLE = {
    "content-length": answer(BODY, length(len(BODY))),
    "until close": answer(BODY, "Connection: close"),
    "HTTP/1.0": answer(BODY, version="1.0"),
    "chunked": answer(chunk(BODY[:3]) + chunk(BODY[3:]) + b"0\r\n\r\n", "Transfer-Encoding: chunked"),
    "gzip until close": answer(gzip.compress(BODY), "Content-Encoding: gzip", "Connection: close"),
}


@pytest.fixture
async def transport(clock):
    transport = AiohttpTransport(clock)
    yield transport
    await transport.close()


@pytest.mark.parametrize("how", CUT)
async def test_a_body_cut_short_is_a_failure_not_an_answer(transport, raw, how: str) -> None:
    server = await raw(CUT[how])
    with pytest.raises(RequestFailed, match="truncated") as caught:
        await transport.send(Request("GET", server.url))
    assert caught.value.status is None


@pytest.mark.parametrize("how", WHOLE)
async def test_a_whole_body_is_an_answer(transport, raw, how: str) -> None:
    server = await raw(WHOLE[how])
    response = await transport.send(Request("GET", server.url))
    assert (response.status, response.body) == (200, BODY)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (b"", "without an answer|broke"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "without an answer|broke"),
        (answer(BODY, length(500)), "truncated|broke"),
        (answer(chunk(BODY), "Transfer-Encoding: chunked"), "truncated|broke"),
    ],
)
async def test_a_reset_is_a_failure(transport, raw, script: bytes, words: str) -> None:
    server = await raw(script, resets=9)
    with pytest.raises(RequestFailed, match=words) as caught:
        await transport.send(Request("GET", server.url))
    assert not isinstance(caught.value, NotSent)


async def test_silence_ends_with_the_timeout_and_closes_the_connection(transport, raw) -> None:
    server = await raw(None)
    with pytest.raises(RequestFailed, match=r"no whole answer within 0\.15 s") as caught:
        await transport.send(Request("GET", server.url, timeout=0.15))
    assert not isinstance(caught.value, NotSent)
    async with asyncio.timeout(5):
        await server.closed.wait()


async def test_what_is_not_http(transport, raw) -> None:
    server = await raw(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
    with pytest.raises(RequestFailed, match="not HTTP"):
        await transport.send(Request("GET", server.url))


async def test_nothing_listens_and_no_such_host(transport) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        with pytest.raises(NotSent, match=rf"127.0.0.1:{port}: .*refused"):
            await transport.send(Request("GET", f"http://127.0.0.1:{port}/?api_key=SECRET"))
    with pytest.raises(NotSent, match=r"nowhere\.invalid could not be resolved") as caught:
        await transport.send(Request("GET", "http://nowhere.invalid/?api_key=SECRET"))
    assert "SECRET" not in str(caught.value)


async def test_a_server_without_tls(transport) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    with pytest.raises(NotSent, match="TLS"):
        await transport.send(Request("GET", f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"))
    server.close()


async def test_a_body_beyond_the_bound_is_not_read(clock, raw) -> None:
    transport = AiohttpTransport(clock, max_body=10_000)
    for script in (
        answer(b"x" * 10_001, length(10_001)),
        answer(gzip.compress(bytes(10_001)), "Content-Encoding: gzip", "Connection: close"),
    ):
        server = await raw(script)
        with pytest.raises(DecodeError, match="larger than 10,000 bytes"):
            await transport.send(Request("GET", server.url))
    await transport.close()


async def test_the_request_goes_out_as_it_is(transport, raw) -> None:
    server = await raw(WHOLE["content-length"])
    url = f"{server.url}a%2Fb/%7Ec?x=a+b%20c&y=[1]&z=%c3%a9"
    await transport.send(Request("GET", url, params=(("cursor", "48000:Hitman's ?&é"),)))
    head = server.heads[0].decode()
    assert head.startswith(
        "GET /a%2Fb/%7Ec?x=a+b%20c&y=[1]&z=%c3%a9&cursor=48000%3AHitman%27s%20%3F%26%C3%A9 HTTP/1.1\r\n"
    )
    assert "Accept-Encoding: gzip, deflate, zstd, br\r\n" in head.replace("accept-encoding", "Accept-Encoding")
    assert "cookie" not in head.lower()
    assert "content-type" not in head.lower()


@pytest.mark.parametrize(
    ("request_", "content_type", "body"),
    [
        (Request("POST", "", json={"a": [1, None, "é"]}), "application/json", b'{"a":[1,null,"\\u00e9"]}'),
        (Request("POST", "", json=[]), "application/json", b"[]"),
        (
            Request("POST", "", form=(("a", "b c&"), ("a", "é"))),
            "application/x-www-form-urlencoded",
            b"a=b+c%26&a=%C3%A9",
        ),
        (Request("POST", "", text="<é/>"), "text/plain; charset=utf-8", "<é/>".encode()),
        (Request("POST", "", text="<a/>", headers=(("content-type", "text/xml"),)), "text/xml", b"<a/>"),
        (Request("POST", ""), None, b""),
    ],
)
async def test_bodies(transport, serve, request_: Request, content_type: str | None, body: bytes) -> None:
    async def handler(request: web.Request) -> web.Response:
        assert request.headers.getall("Content-Type", [None]) == [content_type]
        return web.Response(body=await request.read())

    response = await transport.send(replace(request_, url=await serve(handler)))
    assert (response.status, response.body) == (200, body)


async def test_no_redirect_is_followed_and_no_cookie_kept(transport, serve) -> None:
    async def handler(request: web.Request) -> web.Response:
        assert "Cookie" not in request.headers
        return web.Response(status=302, headers={"Location": "/b", "Set-Cookie": "a=b"})

    base = (await serve(handler)).replace("127.0.0.1", "localhost")  # jars keep none of a bare address anyway
    for _ in range(2):
        assert (await transport.send(Request("GET", f"{base}/a"))).status == 302


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\0b", "a\r"])
async def test_a_header_value_with_a_break_is_refused_without_being_shown(transport, value: str) -> None:
    with pytest.raises(InputError, match="X-Key holds a line break") as caught:
        await transport.send(Request("GET", "http://127.0.0.1:9/", headers=(("X-Key", value),)))
    assert value not in str(caught.value)
    with pytest.raises(InputError, match="not a header name"):
        await transport.send(Request("GET", "http://127.0.0.1:9/", headers=((f"X{value}", "v"),)))


@pytest.mark.parametrize(
    "url",
    ["", "/path", "ftp://a/b", "http://", "http://a:b:c/", "http://[::1/", "http://user:SECRET@a/", "http://a:99999/"],
)
async def test_bad_urls_are_the_users_to_mend(transport, url: str) -> None:
    with pytest.raises(InputError) as caught:
        await transport.send(Request("GET", url))
    assert "SECRET" not in str(caught.value)


def test_a_url_on_the_wire_is_printable_ascii() -> None:
    assert wire_url("http://a/b%20c?x=%2f#part") == "http://a/b%20c?x=%2f"
    assert wire_url("http://a/é b\r\nX: 1?q=\u2028{}") == "http://a/%C3%A9%20bX:%201?q=%E2%80%A8%7B%7D"
    assert wire_url("http://bücher.test/é") == "http://xn--bcher-kva.test/%C3%A9"


@pytest.mark.parametrize("name", ["api.test", "https://api.test", "https://api.test:443", "api.test:8443"])
async def test_rewrite_sends_elsewhere_and_shows_the_original(clock, serve, name: str) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=f"{request.host} {request.path_qs}")

    base = await serve(handler)
    transport = AiohttpTransport(clock, rewrite={name: f"{base}/stand-in/"})
    host = "api.test:8443" if name.endswith("8443") else "API.test"
    url = f"https://{host}/v1/a%20b?x=1"
    response = await transport.send(Request("GET", url))
    assert response.body.decode() == f"{host} /stand-in/v1/a%20b?x=1"
    assert response.url == url
    with pytest.raises(NotSent):
        await transport.send(Request("GET", "http://other.invalid/"))
    await transport.close()


def test_a_rewrite_that_cannot_be(clock) -> None:
    with pytest.raises(InputError, match="--rewrite a=b"):
        AiohttpTransport(clock, rewrite={"a": "b"})


async def test_connections_are_kept_and_none_stays_after_a_cancel(transport) -> None:
    opened = 0
    open_now: set[asyncio.StreamWriter] = set()
    asked = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1
        open_now.add(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                if b"GET /hang" in head:
                    asked.set()
                    await reader.read()
                    break
                writer.write(WHOLE["content-length"])
        except asyncio.IncompleteReadError:
            pass
        open_now.discard(writer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    for _ in range(5):
        await transport.send(Request("GET", f"{base}/a"))
    assert opened == 1
    hanging = asyncio.create_task(transport.send(Request("GET", f"{base}/hang")))
    await asked.wait()
    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging
    async with asyncio.timeout(5):
        while open_now:
            await asyncio.sleep(0.01)
        await transport.send(Request("GET", f"{base}/a"))
        assert len(open_now) == 1
        await transport.close()
        while open_now:
            await asyncio.sleep(0.01)
    assert opened == 2
    server.close()


async def test_a_proxy_in_the_environment_is_not_used(transport, raw, monkeypatch: pytest.MonkeyPatch) -> None:
    server = await raw(WHOLE["content-length"])
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert (await transport.send(Request("GET", server.url))).status == 200
