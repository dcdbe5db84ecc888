"""Who may use the service, from where, and how much of it."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from headrace.service import limits
from headrace.service.connection import Connection
from headrace.service.front import ANSWER_HEADERS
from headrace.service.keys import Keys
from headrace.service.limits import Buckets
from headrace.service.security import COOKIE
from headrace.state.progress.open import open_progress


@pytest.fixture
def closed(config, serving) -> Iterator[Any]:
    """A service that needs keys: (service, client of the first administrator)."""
    with serving(config.model_copy(update={"require_keys": True})) as running:
        key = running.gate().first_key()
        assert key is not None
        with client_of(running, key) as admin:
            yield running, admin


def client_of(running: Any, key: str) -> httpx.Client:
    return httpx.Client(base_url=running.url, timeout=60, headers={"Authorization": f"Bearer {key}"})


def made(admin: httpx.Client, **asked: Any) -> str:
    answer = admin.post("/keys", json=asked)
    assert answer.status_code == 201, answer.text
    key: str = answer.json()["key"]
    return key


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    return found


class TestKeys:
    def test_without_one_nothing_is_told(self, closed) -> None:
        running, _ = closed
        for method, path in [
            ("GET", "/runs"), ("GET", "/pipeline/status"), ("POST", "/pipeline/update"), ("GET", "/keys"),
            ("POST", "/keys"), ("GET", "/runs/x/events"), ("POST", "/runs/x/cancel"), ("DELETE", "/keys/x"),
        ]:  # fmt: skip
            answer = running.client.request(method, path)
            assert "needs an API key" in problem(answer, 401)["detail"]
            assert answer.headers["www-authenticate"] == "Bearer"
        assert running.client.get("/healthz").status_code == 200
        assert running.client.get("/openapi.json").status_code == 200

    def test_every_way_to_send_it(self, closed) -> None:
        running, admin = closed
        key = made(admin, scope="read")
        for headers in ({"Authorization": f"Bearer {key}"}, {"authorization": f"bearer {key}"}, {"X-API-Key": key}):
            assert running.client.get("/runs", headers=headers).status_code == 200
        with httpx.Client(base_url=running.url, cookies={COOKIE: key}) as browser:
            assert browser.get("/runs").status_code == 200

    def test_the_counts_of_everybody_are_the_operator_s(self, closed) -> None:
        running, admin = closed
        for org, status in (("default", 200), ("acme", 403)):
            key = made(admin, scope="read", org=org)
            assert running.client.get("/metrics", headers={"X-API-Key": key}).status_code == status
        assert running.client.get("/metrics").status_code == 401

    def test_a_wrong_one_is_refused(self, closed) -> None:
        running, _ = closed
        right = "hrk_first_"
        for wrong in ("", "x", right, right + "A" * 43, "hrk_nobody_" + "A" * 43, right + "é" * 43, "*" * 5000):
            answer = running.client.get("/runs", headers={"X-API-Key": wrong.encode()})
            assert wrong == "" or wrong not in answer.text
            problem(answer, 401)

    def test_scopes(self, closed) -> None:
        running, admin = closed
        reader, runner = made(admin, scope="read"), made(admin, scope="run")
        with client_of(running, reader) as client:
            assert client.get("/runs").status_code == 200
            assert "scope run" in problem(client.post("/pipeline/update"), 403)["detail"]
            problem(client.get("/keys"), 403)
        with client_of(running, runner) as client:
            assert client.get("/runs").status_code == 200
            assert client.post("/pipeline/update", json={"destination": "lite"}).status_code == 202
            problem(client.post("/keys", json={"scope": "admin"}), 403)

    def test_a_revoked_one_is_refused_at_once(self, closed) -> None:
        running, admin = closed
        key = made(admin, scope="read", name="short")
        with client_of(running, key) as client:
            assert client.get("/runs").status_code == 200
            listed = admin.get("/keys").json()["keys"]
            short = next(each for each in listed if each["name"] == "short")
            assert admin.delete(f"/keys/{short['key_id']}").status_code == 204
            problem(client.get("/runs"), 401)
        problem(admin.delete(f"/keys/{short['key_id']}"), 404)

    def test_the_last_administrator_stays(self, closed) -> None:
        _, admin = closed
        problem(admin.delete("/keys/first"), 409)
        made(admin, scope="admin")
        assert admin.delete("/keys/first").status_code == 204

    def test_only_hashes_are_kept(self, closed, config) -> None:
        running, admin = closed
        key = made(admin, scope="read", name="kept")
        secret = key.split("_", 2)[2]
        told = admin.get("/keys").text
        assert secret not in told
        assert "hash" not in told
        documents = running.service.store.documents("key")
        assert len(documents) == 2
        assert secret not in json.dumps([document.body for document in documents])
        for file in config.state.rglob("*"):
            if file.is_file():
                assert secret.encode() not in file.read_bytes()

    def test_guessing_is_slowed_down(self, closed) -> None:
        running, admin = closed
        statuses = [running.client.get("/runs", headers={"X-API-Key": f"x{n}"}).status_code for n in range(30)]
        assert statuses[0] == 401
        assert statuses[-1] == 429
        answer = running.client.get("/runs", headers={"X-API-Key": "x"})
        assert int(answer.headers["retry-after"]) >= 1
        del admin

    def test_the_first_key_is_made_once(self, tmp_path) -> None:
        store = open_progress(None, tmp_path)
        try:
            with ThreadPoolExecutor(4) as pool:
                found = list(pool.map(lambda _: Keys(store).first(), range(8)))
            assert len([key for key in found if key]) == 1
            assert Keys(store).first() is None
        finally:
            store.close()


class TestAnOpenService:
    """It listens on this machine only, and there is no key yet."""

    def test_needs_none(self, running) -> None:
        assert running.client.get("/runs").status_code == 200
        assert running.gate().first_key() is None

    def test_a_key_that_is_sent_has_to_be_right_all_the_same(self, running) -> None:
        problem(running.client.get("/runs", headers={"X-API-Key": "hrk_x_" + "A" * 43}), 401)

    def test_closes_with_the_first_key(self, running) -> None:
        refused = problem(running.client.post("/keys", json={"scope": "run"}), 422)
        assert "administrator" in refused["detail"]
        key = made(running.client, scope="admin")
        problem(running.client.get("/runs"), 401)
        with client_of(running, key) as admin:
            assert admin.get("/runs").status_code == 200

    def test_a_browser_s_key_of_another_service_is_none(self, running) -> None:
        """Cookies are of a host, whatever the port: one of an earlier service would lock the person out."""
        cookie = {"Cookie": f"{COOKIE}=hrk_x_{'A' * 43}"}
        assert running.client.get("/", headers=cookie).status_code == 200
        made(running.client, scope="admin")
        assert running.client.get("/", headers=cookie).status_code == 303
        problem(running.client.get("/runs", headers=cookie), 401)

    def test_listening_elsewhere_needs_keys(self, config) -> None:
        from headrace.service.security import Gate

        store = open_progress(None, config.state)
        try:
            for host, needed in (
                ("0.0.0.0", True),
                ("::", True),
                ("10.0.0.1", True),
                ("localhost", False),
                ("::1", False),
            ):
                gate = Gate(config.model_copy(update={"host": host}), Keys(store))
                assert gate.needed() is needed, host
        finally:
            store.close()


class TestOrganisations:
    def test_are_kept_apart(self, closed) -> None:
        running, admin = closed
        acme, other = made(admin, scope="admin", org="acme"), made(admin, scope="admin", org="other")
        with client_of(running, acme) as ours, client_of(running, other) as theirs:
            run = ours.post("/pipeline/update", json={"destination": "lite"}).json()["request_id"]
            assert ours.get(f"/runs/{run}").json()["org"] == "acme"
            for method, path in [
                ("GET", f"/pipeline/status/{run}"), ("GET", f"/runs/{run}"), ("GET", f"/runs/{run}/events"),
                ("POST", f"/runs/{run}/cancel"), ("POST", f"/runs/{run}/resume"),
            ]:  # fmt: skip
                mine = problem(theirs.request(method, path), 404)
                nobodys = problem(theirs.request(method, path.replace(run, "nobody")), 404)
                assert mine["detail"].replace(run, "nobody") == nobodys["detail"]
            assert theirs.get("/runs").json()["runs"] == []
            assert [key["org"] for key in theirs.get("/keys").json()["keys"]] == ["other"]
            acme_key = ours.get("/keys").json()["keys"][0]["key_id"]
            problem(theirs.delete(f"/keys/{acme_key}"), 404)
            problem(theirs.post("/keys", json={"org": "acme"}), 403)
            problem(ours.post("/keys", json={"org": "default", "scope": "admin"}), 403)
            assert len(admin.get("/keys").json()["keys"]) == 3

    def test_an_idempotency_key_is_its_organisations_own(self, closed) -> None:
        running, admin = closed
        ids = []
        for org in ("acme", "other"):
            with client_of(running, made(admin, scope="run", org=org)) as client:
                answer = client.post("/pipeline/update", json={"destination": "lite"}, headers={"Idempotency-Key": "k"})
                ids.append(answer.json()["request_id"])
        assert ids[0] != ids[1]


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


def test_a_key_is_found_without_asking_the_store_each_time(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_progress(None, tmp_path)
    try:
        now = [0.0]
        keys = Keys(store, clock=lambda: now[0])
        made_key = keys.make("acme", "n", "read")
        assert made_key is not None
        asked: list[Callable[..., Any]] = []
        real = store.document
        monkeypatch.setattr(store, "document", lambda *a: asked.append(real) or real(*a))
        for _ in range(5):
            assert keys.find(made_key[1]) == made_key[0]
        assert len(asked) == 1
        store.delete("key", made_key[0].key_id)  # as another instance would
        assert keys.find(made_key[1]) is not None
        now[0] = 6.0
        assert keys.find(made_key[1]) is None
    finally:
        store.close()


def test_a_stream_ends_with_its_key(closed, api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.service.security.RECHECK", 0.0)
    monkeypatch.setattr("headrace.service.routes.runs.KEEP_ALIVE", 0.1)
    monkeypatch.setattr("headrace.service.pages.live.KEEP_ALIVE", 0.1)
    running, admin = closed
    api.allow(0)
    run = admin.post("/pipeline/update", json={}).json()["request_id"]
    for address in ("/ui/live", f"/ui/runs/{run}/live", f"/runs/{run}/events"):
        answer = admin.post("/keys", json={"scope": "read"}).json()
        with client_of(running, answer["key"]) as reader, reader.stream("GET", address) as stream:
            lines = stream.iter_lines()
            assert next(lines)
            assert admin.delete(f"/keys/{answer['key_id']}").status_code == 204
            assert sum(1 for _ in lines) < 1_000, address
    api.allow(None)


def test_status_is_answered_while_databases_are_not(config, serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many ask for the tables of one that does not answer."""
    from headrace.service.context import LOOKS

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/d?connect_timeout=60"
        destinations = {**config.destinations, "silent": url}
        with (
            serving(config.model_copy(update={"destinations": destinations})) as running,
            ThreadPoolExecutor(40) as pool,
        ):
            asked = [pool.submit(running.client.get, "/tables", params={"destination": "silent"}) for _ in range(40)]
            connections = [silent.accept()[0] for _ in range(LOOKS)]
            for _ in range(5):
                assert running.client.get("/readyz").status_code == 200
                assert running.client.get("/runs").status_code == 200
            assert not any(each.done() for each in asked)
            for each in connections:
                each.close()
            silent.close()
            assert {each.result(60).status_code for each in asked} <= {503}
