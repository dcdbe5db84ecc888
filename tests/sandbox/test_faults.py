"""Each entry of the switch list, seen from the client's end of the wire."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import time
import zlib
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import pytest

from headrace.sandbox import FAULTS

LIST = "/styles/cursor-more?limit=10"
CHECKS: dict[str, Callable[[Any], None]] = {}


def check(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    def take(function: Callable[..., None]) -> Callable[..., None]:
        for name in names:
            CHECKS[name] = (lambda n: lambda run: function(run, n))(name)
        return function

    return take


def raw(url: str, target: str = LIST, *, headers: str = "", wait: float = 5) -> tuple[bytes, bytes, str]:
    """Head, body and end (``closed``, ``reset`` or ``silent``) of one answer, byte for byte."""
    parts = urlsplit(url)
    got = b""
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=wait) as sock:
        sock.sendall(f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n{headers}\r\n".encode())
        try:
            while piece := sock.recv(65_536):
                got += piece
            end = "closed"
        except ConnectionResetError:
            end = "reset"
        except TimeoutError:
            end = "silent"
    head, _, body = got.partition(b"\r\n\r\n")
    return head.lower(), body, end


def undisturbed(run: Any, target: str = LIST) -> bytes:
    """The body as it is without faults."""
    rules = list(run.sandbox.server.rules)
    run.sandbox.clear_faults()
    body: bytes = run.ask(target).body
    run.sandbox.server.rules.extend(rules)
    return body


def first(run: Any, name: str, **rule: Any) -> None:
    run.sandbox.fault(name, **{"nth": 1, **rule})


@check(*(name for name in FAULTS if name.startswith("status_") or name.endswith("_200")))
def status(run: Any, name: str) -> None:
    params = FAULTS[name].params
    first(run, name)
    got = run.ask(LIST)
    assert got.status == params["status"]
    if params["body"] == "html":
        assert got.headers["content-type"].startswith("text/html")
        assert b"<html>" in got.body
    elif params["body"] == "json":
        assert got.json["message"]
    else:
        assert got.body == b""
    after = got.headers.get("retry-after")
    match params.get("retry_after"):
        case None:
            assert after is None
        case "date":
            assert after.endswith("GMT")
            assert 0 < parsedate_to_datetime(after).timestamp() - time.time() <= 2
        case "seconds":
            assert int(after) == params.get("after", 1)
        case "decimal":
            assert after == "0.2"
        case text:
            assert after == text
    assert run.ask(LIST).status == 200, "only the first request was struck"


@check("redirect")
def redirect(run: Any, name: str) -> None:
    first(run, name)
    got = run.ask(LIST)
    assert got.status == 302
    location = urlsplit(got.headers["location"])
    assert (location.hostname, location.port) == ("localhost", urlsplit(run.ask.url).port)
    assert location.hostname != urlsplit(run.ask.url).hostname
    assert f"{location.path}?{location.query}" == LIST


@check("redirect_same_origin")
def redirect_same_origin(run: Any, name: str) -> None:
    first(run, name)
    got = run.ask(LIST)
    assert got.status == 307
    assert run.ask(got.headers["location"]).body == undisturbed(run)


@check("token_expiry")
def token_expiry(run: Any, name: str) -> None:
    form = b"grant_type=client_credentials&client_id=a&client_secret=b"
    run.sandbox.fault(name, path="/oauth/records", nth=2)

    def bearer() -> dict[str, str]:
        return {"Authorization": "Bearer " + run.ask("/oauth/token", method="POST", body=form).json["access_token"]}

    old = bearer()
    assert [run.ask("/oauth/records", headers=old).status for _ in range(3)] == [200, 401, 401]
    assert run.ask("/oauth/records", headers=bearer()).status == 200


@check("hang")
def hang(run: Any, name: str) -> None:
    first(run, name)
    assert raw(run.ask.url, wait=0.1) == (b"", b"", "silent")
    assert run.ask(LIST).status == 200


@check("reset_before")
def reset_before(run: Any, name: str) -> None:
    first(run, name)
    assert raw(run.ask.url) == (b"", b"", "reset")


@check("latency")
def latency(run: Any, name: str) -> None:
    first(run, name, params={"ms": 60, "jitter": 0})
    begin = time.perf_counter()
    run.ask(LIST)
    assert time.perf_counter() - begin >= 0.06


@check("reset")
def reset(run: Any, name: str) -> None:
    wanted = undisturbed(run)
    first(run, name)
    _, body, end = raw(run.ask.url)
    assert end == "reset"
    assert len(body) < len(wanted)
    assert run.ask(LIST).body == wanted


@check("length_truncation", "hang_mid_body")
def length_truncation(run: Any, name: str) -> None:
    wanted = undisturbed(run)
    first(run, name)
    head, body, end = raw(run.ask.url, wait=0.1 if name == "hang_mid_body" else 5)
    assert f"content-length: {len(wanted)}".encode() in head
    assert wanted.startswith(body)
    assert 0 < len(body) < len(wanted)
    assert end == ("silent" if name == "hang_mid_body" else "closed")
    if name == "length_truncation":
        first(run, name)
        with pytest.raises(http.client.IncompleteRead):
            run.ask(LIST)


@check("close_truncation", "close_delimited")
def close_delimited(run: Any, name: str) -> None:
    wanted = undisturbed(run)
    first(run, name)
    head, body, end = raw(run.ask.url)
    assert b"content-length" not in head
    assert b"chunked" not in head
    assert end == "closed"
    assert (body == wanted) == (name == "close_delimited")
    assert wanted.startswith(body)


@check("chunked", "chunk_truncation")
def chunked(run: Any, name: str) -> None:
    wanted = undisturbed(run)
    first(run, name, params={"bytes": 500} if name == "chunked" else {})
    head, body, end = raw(run.ask.url)
    assert b"transfer-encoding: chunked" in head
    assert end == "closed"
    assert body.endswith(b"0\r\n\r\n") == (name == "chunked")
    first(run, name)
    if name == "chunked":
        assert run.ask(LIST).body == wanted
    else:
        with pytest.raises(http.client.IncompleteRead):
            run.ask(LIST)


@check("cut_gzip", "corrupt_gzip")
def broken_gzip(run: Any, name: str) -> None:
    first(run, name)
    head, body, end = raw(run.ask.url, headers="Accept-Encoding: gzip\r\n")
    assert b"content-encoding: gzip" in head
    assert f"content-length: {len(body)}".encode() in head, "whole, as far as HTTP can tell"
    assert end == "closed"
    inflate = zlib.decompressobj(31)
    if name == "cut_gzip":
        inflate.decompress(body)
        assert not inflate.eof
    else:
        with pytest.raises(zlib.error, match="incorrect data check"):
            inflate.decompress(body)
    assert run.stats["refetched"] == 0
    assert json.loads(run.ask(LIST, headers={"Accept-Encoding": "gzip"}).body)["items"]


@check("slow_drip")
def slow_drip(run: Any, name: str) -> None:
    wanted = undisturbed(run)
    first(run, name, params={"bytes": 1_000, "ms": 10})
    begin = time.perf_counter()
    assert run.ask(LIST).body == wanted
    assert time.perf_counter() - begin >= 0.01 * (len(wanted) // 1_000)


def second(run: Any) -> dict[str, Any]:
    """The second page, asked for by the first one's cursor."""
    found: dict[str, Any] = run.ask(LIST, {"cursor": run.ask(LIST).json["next"]}).json
    return found


@check("cursor_loop")
def cursor_loop(run: Any, name: str) -> None:
    run.sandbox.fault(name, path="/styles/*", after=1)
    cursor = run.ask(LIST).json["next"]
    pages = [run.ask(LIST, {"cursor": cursor}).json for _ in range(2)]
    assert pages[0] == pages[1]
    assert pages[0]["next"] == cursor
    assert pages[0]["has_more"] is True


@check("drift")
def drift(run: Any, name: str) -> None:
    run.sandbox.fault(name, after=1)
    pages = [run.ask("/styles/offset-total", {"limit": 10, "offset": offset}).json for offset in (0, 10)]
    assert [row["id"] for row in pages[1]["items"]] == list(range(8, 18))
    assert [page["total"] for page in pages] == [100, 103]
    assert [row["id"] for row in run.ask("/styles/offset-total?limit=4").json["items"]] == [103, 102, 101, 1]
    assert [row["id"] for row in run.ask("/styles/last-id?limit=4&starting_after=10").json["data"]] == [11, 12, 13, 14]


@check("drift_removal")
def drift_removal(run: Any, name: str) -> None:
    run.sandbox.fault(name, after=1)
    pages = [run.ask("/styles/offset-total", {"limit": 10, "offset": offset}).json for offset in (0, 10)]
    assert [row["id"] for row in pages[1]["items"]] == list(range(14, 24)), "11, 12 and 13 are skipped"
    assert [page["total"] for page in pages] == [100, 97]


@check("wrong_has_more")
def wrong_has_more(run: Any, name: str) -> None:
    run.sandbox.fault(name, nth=2)
    page = second(run)
    assert page["has_more"] is False
    assert page["next"]


@check("vanishing_cursor")
def vanishing_cursor(run: Any, name: str) -> None:
    run.sandbox.fault(name, nth=2)
    page = second(run)
    assert page["has_more"] is True
    assert page["next"] is None


@check("repeated_page")
def repeated_page(run: Any, name: str) -> None:
    run.sandbox.fault(name, nth=2)
    page = second(run)
    assert page["items"] == run.ask(LIST).json["items"]
    assert page["next"] != run.ask(LIST).json["next"]


@check("wrong_total")
def wrong_total(run: Any, name: str) -> None:
    run.sandbox.fault(name)
    assert run.ask("/styles/offset-total").json["total"] == 200


@check("zero_rows")
def zero_rows(run: Any, name: str) -> None:
    run.sandbox.fault(name, nth=2)
    page = second(run)
    assert page["items"] == []
    assert page["has_more"] is True
    assert page["next"] == second(run)["next"]


@check("echo_key")
def echo_key(run: Any, name: str) -> None:
    key = 'k"1\\'
    run.sandbox.fault(name)
    for target in (LIST, "/styles/root-array", "/styles/csv?limit=3"):
        body = run.ask(target, headers={"X-API-Key": key}).body
        assert (key if "csv" in target else json.dumps(key)).encode() in body
        assert "csv" in target or json.loads(body)
    assert key not in json.dumps(run.stats)


@check("token_bucket")
def token_bucket(run: Any, name: str) -> None:
    run.sandbox.fault(name, params={"rate": 0.01, "burst": 3})
    answers = [run.ask(LIST) for _ in range(5)]
    assert [got.status for got in answers] == [200, 200, 200, 429, 429]
    assert [got.headers["x-ratelimit-remaining"] for got in answers] == ["2", "1", "0", "0", "0"]
    assert {got.headers["x-ratelimit-limit"] for got in answers} == {"3"}
    assert 90 < int(answers[3].headers["retry-after"]) <= 101
    assert run.stats["faults"] == {name: 2}


@check("fixed_window")
def fixed_window(run: Any, name: str) -> None:
    run.sandbox.fault(name, params={"requests": 2, "seconds": 100_000_000_000})
    answers = [run.ask(LIST) for _ in range(3)]
    assert [got.status for got in answers] == [200, 200, 429]
    assert int(answers[2].headers["retry-after"]) > 1


@pytest.mark.parametrize("name", FAULTS)
def test_seen_on_the_wire(name: str, start: Any) -> None:
    run = start(records=100)
    CHECKS[name](run)
    if name not in ("token_bucket", "fixed_window"):
        assert run.stats["faults"][name] >= 1
    run.sandbox.clear_faults()
    assert run.ask(LIST).status == 200, "the server lives on"


def test_the_sapi_stand_in_shows_faults_of_meaning_too(start: Any) -> None:
    run = start(titles=200)
    key = {"X-API-Key": "k"}
    target = "/shows/search/filters?country=us"
    pages = [run.ask(target, headers=key).json]
    pages.append(run.ask(target, {"cursor": pages[0]["nextCursor"]}, headers=key).json)
    for name, seen in (
        ("cursor_loop", lambda p: p["nextCursor"] == pages[0]["nextCursor"]),
        ("vanishing_cursor", lambda p: p["hasMore"] and "nextCursor" not in p),
        ("wrong_has_more", lambda p: not p["hasMore"] and "nextCursor" in p),
        ("zero_rows", lambda p: p["shows"] == [] and p["nextCursor"] == pages[1]["nextCursor"]),
        ("repeated_page", lambda p: [s["id"] for s in p["shows"]] == [s["id"] for s in pages[0]["shows"]]),
    ):
        run.sandbox.fault(name, nth=1)
        assert seen(run.ask(target, {"cursor": pages[0]["nextCursor"]}, headers=key).json), name
        run.sandbox.clear_faults()


def test_every_entry_says_what_is_right() -> None:
    for name, fault in FAULTS.items():
        assert fault.name == name
        assert fault.description
        assert fault.because


def test_what_is_due_depends_on_what_the_pages_tell() -> None:
    positional, keyed = frozenset({"positional", "total"}), frozenset({"cursor"})
    assert FAULTS["drift_removal"].due(positional) == "suspect"
    assert FAULTS["drift_removal"].due(keyed) == "exact"
    assert FAULTS["wrong_total"].due(keyed) is None
    assert FAULTS["cursor_loop"].due(keyed) == "failure"
    assert FAULTS["reset"].due(frozenset()) == "exact"


def test_gzip_only_when_accepted(start: Any) -> None:
    ask = start(records=100).ask
    packed = ask(LIST, headers={"Accept-Encoding": "br, gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    plain = ask(LIST)
    assert "content-encoding" not in plain.headers
    assert packed.body == plain.body
    assert int(packed.headers["content-length"]) == len(gzip.compress(plain.body, 1, mtime=0))
