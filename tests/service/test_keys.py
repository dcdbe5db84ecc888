"""Keys of the service, what each may do, and organisations kept apart."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from tests.service.callers import client_of, made, problem

from headrace.service.keys import Keys
from headrace.service.security import COOKIE
from headrace.state.progress.open import open_progress


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
