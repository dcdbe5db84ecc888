"""Who may use the service, from where, and how much of it."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.service.callers import problem

from headrace.service import limits
from headrace.service.connection import Connection
from headrace.service.front import ANSWER_HEADERS
from headrace.service.limits import Buckets


class TestOtherSites:
    def test_a_name_that_is_not_ours_is_refused(self, running) -> None:
        """DNS rebinding: the browser takes this machine for evil.example."""
        for host in ("evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil", ""):
            for path in ("/runs", "/healthz", "/nowhere"):
                problem(running.client.get(path, headers={"Host": host}), 421)
        for host in ("localhost", "LOCALHOST:1", "127.0.0.1:8000", "[::1]:8000"):
            assert running.client.get("/runs", headers={"Host": host}).status_code == 200

    def test_names_that_the_configuration_gives(self, config, serving) -> None:
        with serving(config.model_copy(update={"server_names": ["headrace.example"]})) as running:
            assert running.client.get("/runs", headers={"Host": "Headrace.example:443"}).status_code == 200
            problem(running.client.get("/runs"), 421)

    def test_without_keys_no_name_that_anybody_could_own_will_do(self, config, serving) -> None:
        with serving(
            config.model_copy(update={"host": "0.0.0.0", "require_keys": False})
        ) as running:  # of the configuration: the test listens on loopback
            for host in ("evil.example", "localhost.evil", "", "1.2.3.4.evil"):
                problem(running.client.get("/runs", headers={"Host": host}), 421)
            for host in ("10.0.0.5:8000", "[fd00::1]:8000", "localhost", socket.gethostname()):
                assert running.client.get("/runs", headers={"Host": host}).status_code == 200
        named = {"host": "0.0.0.0", "require_keys": False, "server_names": ["headrace.internal"]}  # as above
        with serving(config.model_copy(update=named)) as running:
            assert running.client.get("/runs", headers={"Host": "headrace.internal"}).status_code == 200

    def test_forms_of_other_sites_are_refused_and_our_own_pass(self, running) -> None:
        for headers in (
            {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"}, {"Origin": "http://localhost:1", "Sec-Fetch-Site": "same-site"},
        ):  # fmt: skip
            problem(running.client.post("/pipeline/update", json={}, headers=headers), 403)
        assert running.client.get("/runs").json()["runs"] == []
        for headers in ({"Sec-Fetch-Site": "same-origin", "Origin": running.url}, {"Origin": running.url}, {}):
            answer = running.client.post("/pipeline/update", json={"destination": "lite"}, headers=headers)
            assert answer.status_code in (202, 409)

    def test_no_other_site_may_read_an_answer(self, running) -> None:
        answer = running.client.get("/runs", headers={"Origin": "https://evil.example"})
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        asked = running.client.options(
            "/runs", headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
        )
        assert not [name for name in asked.headers if name.startswith("access-control-")]


def test_every_answer_bears_the_headers(running) -> None:
    for method, path in [
        ("GET", "/runs"),
        ("GET", "/nowhere"),
        ("GET", "/healthz"),
        ("PUT", "/runs"),
        ("GET", "/runs/x"),
    ]:
        answer = running.client.request(method, path)
        for name, value in ANSWER_HEADERS.items():
            assert answer.headers[name] == value, (path, name)
        assert "server" not in answer.headers
        assert "unsafe" not in answer.headers["content-security-policy"]
    assert running.client.get("/runs", headers={"Host": "evil"}).headers["x-content-type-options"] == "nosniff"


def test_a_defect_tells_nothing_and_bears_the_headers(running, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("a password")

    monkeypatch.setattr(running.service.store, "find", broken)
    answer = running.client.get("/runs")
    assert "password" not in json.dumps(problem(answer, 500))
    assert answer.headers["x-content-type-options"] == "nosniff"


class TestBodies:
    def test_too_large(self, config, serving) -> None:
        with serving(config.model_copy(update={"max_body": 1_000})) as running:
            assert "max_body" in problem(running.client.post("/pipeline/update", content=b"x" * 1_001), 413)["remedy"]

            def chunks() -> Iterator[bytes]:
                for _ in range(100):
                    yield b"x" * 100

            # A server may hang up on a sender that goes on: either way nothing is taken.
            with contextlib.suppress(httpx.TransportError):
                problem(running.client.post("/pipeline/update", content=chunks()), 413)
            small = {"destination": "lite"}
            assert running.client.post("/pipeline/update", json=small).status_code == 202

    def test_one_that_comes_slowly_is_given_up(self, running, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits.whole_body, "__defaults__", (0.2,))
        sent = b"POST /pipeline/update HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"
        answer = exchange(running, sent)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"application/problem+json" in answer

    def test_headers_that_come_slowly_are_given_up(self, running, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Connection, "header_seconds", 0.2)
        assert exchange(running, b"") == b""
        assert exchange(running, b"GET /runs HTTP/1.1\r\nHost: loc") == b""
        whole = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
        further = exchange(running, whole, b"GET /healthz HTTP/1.1\r\nHo")
        assert further.count(b"HTTP/1.1 200 ") == 1

    def test_a_slow_answer_is_not_given_up(self, running, monkeypatch: pytest.MonkeyPatch, api) -> None:
        monkeypatch.setattr(Connection, "header_seconds", 0.2)
        api.allow(0)
        run = running.update(destination="lite")
        assert running.client.get(f"/pipeline/status/{run}", params={"wait": 1}).status_code == 200
        api.allow(None)

    def test_headers_too_large(self, running) -> None:
        sent = b"GET /runs HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 200_000
        assert exchange(running, sent)[:13] in (b"HTTP/1.1 400 ", b"")


def exchange(running: Any, sent: bytes, then: bytes = b"") -> bytes:
    """All that comes back until the server hangs up; ``then`` is sent after the first of it."""
    host, _, port = running.url.removeprefix("http://").partition(":")
    received = b""
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        try:
            connection.sendall(sent)
            while piece := connection.recv(65536):
                received += piece
                connection.sendall(then)
                then = b""
        except ConnectionError:
            pass
    return received


class TestRates:
    def test_buckets(self) -> None:
        now = [0.0]
        buckets = Buckets(2.0, 4.0, clock=lambda: now[0])
        assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 0]
        assert buckets.take("a") == pytest.approx(0.5)
        assert buckets.take("b") == 0
        now[0] = 0.5
        assert buckets.take("a") == 0
        assert buckets.take("a") > 0
        for n in range(20_000):
            buckets.take(f"s{n}")
        assert len(buckets._left) <= 10_000

    def test_too_many_requests_of_one_address(self, config, serving) -> None:
        with serving(config.model_copy(update={"requests_per_second": 0.01})) as running:
            statuses = [running.client.get("/healthz").status_code for _ in range(3)]
            answer = running.client.get("/healthz")
        assert 429 in statuses
        problem(answer, 429)
        assert int(answer.headers["retry-after"]) > 1
