"""Credentials over HTTP: in, used, tried, and never out."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml

from headrace.testing.loopback import Asked, Reply, listening
from headrace.testing.secrets import Secrets, sweep_database, sweep_folder
from headrace.testing.secrets.hunt import overhear


@dataclass
class Strict:
    """An API that takes one token, and says in every refusal what it was sent."""

    url: str = ""
    token: str = ""
    seen: list[str] = field(default_factory=list)


@pytest.fixture
def strict() -> Iterator[Strict]:
    found = Strict()

    def answer(asked: Asked) -> Reply:
        sent = asked.headers.get("Authorization", "")
        found.seen.append(asked.target)
        right = sent == f"Bearer {found.token}"
        status = 500 if asked.path.startswith("/broken") else 200 if right else 401
        return Reply.json({"you_sent": sent, "data": [{"id": 1, "echo": sent}]}, status)

    with listening(answer) as found.url:
        yield found


@pytest.fixture(autouse=True)
def _sealing(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_STATE", str(tmp_path / "state"))


def set_up(client: Any, org: str = "default", provider: str = "ACME", **asked: Any) -> Any:
    return client.post(f"/integrations/{org}/{provider}/setup", json=asked)


def test_set_up_validated_used_and_removed(running, strict, config) -> None:
    client = running.client
    strict.token = "a-token-of-the-test"
    assert client.post("/integrations/default/ACME/validate").status_code == 404
    made = set_up(client, credential=strict.token, hosts=[strict.url], check_url=f"{strict.url}/me")
    assert made.status_code == 201, made.text
    shown = made.json()
    assert (shown["org"], shown["provider"], shown["status"], shown["validity"]) == (
        "default",
        "ACME",
        "active",
        "unknown",
    )
    assert strict.token not in made.text
    assert client.post("/integrations/default/acme/validate").json() == {"validity": "valid", "why": ""}
    listed = client.get("/integrations/default").json()["credentials"]
    assert [(each["provider"], each["validity"]) for each in listed] == [("ACME", "valid")]

    step = {"step": "a", "processor": "generic.api_extractor",
            "config": {"url": f"{strict.url}/items", "auth": {"type": "bearer", "provider": "ACME"},
                       "tables": [{"table": "a", "key": ["id"], "columns": {"id": "id"}}]}}  # fmt: skip
    put = client.put("/pipelines/mine", content=yaml.safe_dump({"pipeline_id": "mine", "steps": [step]}))
    assert put.status_code == 201, put.text
    assert running.wait(running.update(pipeline="mine", destination="lite"))["status"] == "done"

    strict.token = "another"
    refused = client.post("/integrations/default/ACME/validate").json()
    assert refused["validity"] == "invalid"
    assert "a-token-of-the-test" not in refused["why"]
    assert client.delete("/integrations/default/ACME").status_code == 204
    assert client.delete("/integrations/default/ACME").status_code == 404
    assert client.get("/integrations/default").json()["credentials"] == []


def test_what_cannot_be_told_is_unknown(running, strict) -> None:
    client = running.client
    assert set_up(client, provider="NOCHECK", credential="x1234567").status_code == 201
    assert client.post("/integrations/default/NOCHECK/validate").json()["validity"] == "unknown"
    assert set_up(client, provider="BROKEN", credential="x1234567", check_url=f"{strict.url}/broken").status_code == 201
    assert client.post("/integrations/default/BROKEN/validate").json()["validity"] == "unknown"


def test_a_pipeline_names_the_request_that_tries_a_credential(running, strict) -> None:
    client = running.client
    strict.token = "a-token-of-the-test"
    assert set_up(client, credential=strict.token).status_code == 201
    assert client.post("/integrations/default/ACME/validate").json()["validity"] == "unknown"
    step = {"step": "a", "processor": "generic.api_extractor",
            "config": {"url": "/items", "tables": [{"table": "a", "key": ["id"], "columns": {"id": "id"}}]}}  # fmt: skip
    file = {
        "pipeline_id": "trying",
        "source": {"base_url": strict.url, "auth": {"type": "bearer", "provider": "acme"}},
        "validate": {"url": "/me"},
        "steps": [step],
    }
    put = client.put("/pipelines/trying", content=yaml.safe_dump(file))
    assert put.status_code == 201, put.text
    assert client.post("/integrations/default/ACME/validate").json() == {"validity": "valid", "why": ""}
    assert strict.seen == ["/me"]
    strict.token = "another"
    assert client.post("/integrations/default/ACME/validate").json()["validity"] == "invalid"
    assert set_up(client, provider="OTHER", credential="x1234567").status_code == 201
    assert client.post("/integrations/default/OTHER/validate").json()["validity"] == "unknown"


def test_a_check_does_not_reach_inside(running, config, serving) -> None:
    with serving(config.model_copy(update={"allowed_hosts": []})) as guarded:
        for number, inside in enumerate(("http://169.254.169.254/latest", f"{guarded.url}/keys", "http://localhost/")):
            provider = f"INSIDE{number}"
            assert set_up(guarded.client, provider=provider, credential="x1234567", check_url=inside).status_code == 201
            answer = guarded.client.post(f"/integrations/default/{provider}/validate")
            assert answer.status_code == 422
            assert "not allowed here" in answer.json()["detail"]
            assert "x1234567" not in answer.text


MISFITS: list[dict[str, Any]] = [
        {}, {"credential": ""}, {"credential": 7}, {"credential": "x1234567", "hosts": ["a/b"]}, {"credential": "x1234567", "hosts": ["a b"]},
    {"credential": "x1234567", "check_url": "file:///etc/passwd"},
        {"credential": "x1234567", "check_url": "https://a.example", "check_auth": {"type": "nothing"}},
        {"credential": "x1234567", "unknown": 1}, {"credential": {"a": 1}},
]  # fmt: skip


def test_what_is_wrong_is_refused_without_the_value(running) -> None:
    for asked in MISFITS:
        answer = set_up(running.client, **asked)
        assert answer.status_code == 422, (asked, answer.text)
        assert "x1234567" not in answer.text


def test_another_organisation_is_not_there(config, serving) -> None:
    with serving(config.model_copy(update={"require_keys": True})) as running:
        client = running.client
        client.headers["X-API-Key"] = running.gate().first_key()
        keys = {
            (org, scope): client.post("/keys", json={"scope": scope, "org": org}).json()["key"]
            for org, scope in (("acme", "admin"), ("acme", "run"), ("other", "admin"))
        }
        client.headers["X-API-Key"] = keys["acme", "admin"]
        assert set_up(client, "acme", credential="x1234567").status_code == 201
        client.headers["X-API-Key"] = keys["other", "admin"]
        assert set_up(client, "acme", credential="y1234567").status_code == 404
        for method, path in (
            ("GET", "/integrations/acme"), ("POST", "/integrations/acme/ACME/validate"),
            ("DELETE", "/integrations/acme/ACME"), ("GET", "/integrations/nobody"),
        ):  # fmt: skip
            assert client.request(method, path).status_code == 404, path
        assert client.get("/integrations/other").json()["credentials"] == []
        client.headers["X-API-Key"] = keys["acme", "run"]
        assert set_up(client, "acme", credential="z1234567").status_code == 403
        assert client.get("/integrations/acme").status_code == 403


def test_no_secret_is_in_any_answer_store_or_log(config, serving, strict, tmp_path, caplog) -> None:
    """Marked credentials through an API that echoes them, then a search of all that the service said and kept."""
    secrets = Secrets(7)
    strict.token = secrets.new("stored credential").replace("\n", "")
    wrong = secrets.new("wrong credential")
    said: list[str] = []
    with overhear() as heard, caplog.at_level(logging.DEBUG), serving(
        config.model_copy(update={"require_keys": True})
    ) as running:  # fmt: skip
        client = running.client

        def ask(method: str, path: str, **more: Any) -> Any:
            answer = client.request(method, path, **more)
            said.append(f"{method} {path} {answer.status_code} {dict(answer.headers)} {answer.text}")
            return answer

        client.headers["X-API-Key"] = running.gate().first_key()
        for provider, value in (("GOOD", strict.token), ("BAD", wrong)):
            body = {"credential": value, "hosts": [strict.url], "check_url": f"{strict.url}/me"}
            assert ask("POST", f"/integrations/default/{provider}/setup", json=body).status_code == 201
            assert ask("POST", f"/integrations/default/{provider}/validate").status_code == 200
            ask("POST", f"/integrations/default/{provider}/setup", json={**body, "hosts": 3})
            ask("POST", f"/integrations/default/{provider}/setup", json=[value])
            columns = {"id": "id", "echo": "echo"}
            step = {"step": "a", "processor": "generic.api_extractor",
                    "config": {"url": f"{strict.url}/items", "auth": {"type": "bearer", "provider": provider},
                               "rate_limit": {"max_retries": 0},
                               "tables": [{"table": f"t_{provider}", "key": ["id"], "columns": columns}]}}  # fmt: skip
            name = provider.lower()
            assert ask(
                "PUT", f"/pipelines/{name}", content=json.dumps({"pipeline_id": name, "steps": [step]})
            ).is_success
            run = running.update(pipeline=name, destination="lite")
            ended = running.wait(run)
            assert ended["status"] == ("done" if provider == "GOOD" else "failed")
            for path in (
                f"/runs/{run}", f"/pipeline/status/{run}", f"/runs/{run}/events", "/runs", f"/pipelines/{name}",
                "/pipelines", "/integrations/default", "/keys", "/tables?destination=lite", "/openapi.json",
                f"/tables/t_{provider}/rows?destination=lite", f"/tables/t_{provider}/why?destination=lite&key=1",
                f"/ui/runs/{run}", "/", "/ui/runs", "/ui/tables?destination=lite",
            ):  # fmt: skip
                ask("GET", path)
        spelled = secrets.new("spelled out in a file")
        step["config"]["headers"] = {"X-Api-Key": spelled}
        assert ask(
            "PUT", "/pipelines/spelled", content=json.dumps({"pipeline_id": "spelled", "steps": [step]})
        ).is_client_error
    assert len(strict.seen) >= 4
    secrets.search("answers", "\n".join(said))
    secrets.search("said", heard.text())
    secrets.search("logs", caplog.text)
    sweep_database(secrets, config.destinations["lite"])
    for folder in (config.state, tmp_path):
        sweep_folder(secrets, folder, tokens=True)
    assert secrets.leaks == []


def test_the_search_finds_what_is_there() -> None:
    secrets = Secrets(7)
    value = secrets.new("x")
    secrets.search("answers", f'{{"detail": {json.dumps(value)}}}')
    assert secrets.leaks
