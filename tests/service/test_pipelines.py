"""Pipelines that are sent to the service: checked, versioned, each organisation's own, and held to what they may reach."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest


def sent(url: str, name: str = "mine", **config: str) -> str:
    more = "".join(f"      {key}: {value}\n" for key, value in config.items())
    return f"""pipeline_id: {name}
description: Sent over HTTP
inputs: {{word: {{default: x}}}}
steps:
  - step: items
    processor: generic.api_extractor
    config:
      url: {url}/items
      data_path: data
      pagination: {{type: page, param: page, more_path: more}}
      rate_limit: {{requests_per_second: 10000, max_retries: 0}}
{more}      tables: [{{table: items, key: [id], columns: {{id: {{path: id, type: int}}}}}}]
"""


def put(client: httpx.Client, name: str, text: str, **headers: str) -> httpx.Response:
    return client.put(f"/pipelines/{name}", content=text, headers={"Content-Type": "application/yaml", **headers})


def errors(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: list[str] = answer.json()["errors"]
    return found


@pytest.fixture
def two(config, serving) -> Iterator[Any]:
    """A service with keys: (service, a client of acme's administrator, one of other's)."""
    with serving(config.model_copy(update={"require_keys": True})) as running:
        key = running.gate().first_key()
        made = [
            running.client.post("/keys", json={"scope": "admin", "org": org}, headers={"X-API-Key": key}).json()["key"]
            for org in ("acme", "other")
        ]
        with (
            httpx.Client(base_url=running.url, headers={"X-API-Key": made[0]}, timeout=60) as acme,
            httpx.Client(base_url=running.url, headers={"X-API-Key": made[1]}, timeout=60) as other,
        ):
            yield running, acme, other


def test_sent_read_run_and_sent_again(running, api) -> None:
    client = running.client
    answer = put(client, "mine", sent(api.url))
    assert answer.status_code == 201, answer.text
    assert answer.headers["etag"] == '"1"'
    shown = answer.json()
    assert (shown["pipeline"], shown["origin"], shown["version"]) == ("mine", "sent", 1)
    assert [each["name"] for each in shown["inputs"]] == ["word"]
    assert client.get("/pipelines/mine").json() == shown
    listed = {each["pipeline"]: each["origin"] for each in client.get("/pipelines").json()["pipelines"]}
    assert (listed["mine"], listed["lists"], listed["tvmaze"]) == ("sent", "file", "built-in")
    run = running.update(pipeline="mine", destination="lite")
    assert running.wait(run)["status"] == "done"

    second = put(client, "mine", sent(api.url).replace("Sent over", "Sent again over"), **{"If-Match": '"1"'})
    assert (second.status_code, second.json()["version"]) == (200, 2)
    stale = put(client, "mine", sent(api.url), **{"If-Match": "1"})
    assert stale.status_code == 412
    assert put(client, "mine", sent(api.url), **{"If-Match": "0"}).status_code == 412
    assert client.get("/pipelines/mine").json()["description"] == "Sent again over HTTP"
    assert client.get("/pipelines/mine", params={"version": 1}).json()["description"] == "Sent over HTTP"
    assert client.get("/pipelines/mine", params={"version": 3}).status_code == 404
    assert client.get(f"/runs/{run}").json()["options"]["version"] == 1


def test_a_run_keeps_the_version_that_it_began_with(running, api) -> None:
    api.allow(0)
    put(running.client, "mine", sent(api.url))
    run = running.update(pipeline="mine", destination="lite")
    api.wait_for("items", 1)
    put(running.client, "mine", sent(api.url).replace("/items\n", "/others\n"))
    running.client.post(f"/runs/{run}/cancel")
    api.allow(None)
    running.wait(run)
    if running.client.get(f"/runs/{run}").json()["status"] == "cancelled":
        assert running.client.post(f"/runs/{run}/resume").status_code == 202
    assert running.wait(run)["status"] == "done"
    assert {name for name, _ in api.asked} == {"items"}


def test_what_is_wrong_is_told_with_its_place(running, api) -> None:
    client = running.client
    assert errors(put(client, "mine", sent(api.url).replace("data_path", "data_pat")))[0].startswith("mine.yml:9:7: ")
    assert errors(put(client, "mine", "steps: [\n"))[0].startswith("mine.yml:")
    for body in (b"\xff\xfe\x00", b"", b"[]", b"null", b"- 1"):
        answer = client.put("/pipelines/mine", content=body, headers={"Content-Type": "application/yaml"})
        assert answer.status_code == 422, answer.text
    assert put(client, "mine", sent(api.url, "other")).status_code == 422
    assert client.get("/pipelines/mine").status_code == 404


def test_it_is_held_to_what_it_may_reach(running, api) -> None:
    client = running.client
    inside = errors(put(client, "mine", sent("http://169.254.169.254")))
    assert "mine.yml:8:" in inside[0]
    assert "allowed_hosts: ['http://169.254.169.254']" in inside[0]
    assert "allowed_env: [HOME]" in errors(put(client, "mine", sent(api.url, params='{h: "{env.HOME}"}')))[0]
    assert "allow_sql: true" in errors(put(client, "mine", sent(api.url, slices="{rows: SELECT 1 AS id}")))[0]
    step = "  - {step: s, processor: generic.sql_transformer, config: {dialect: duckdb, sql_file: FILE}}\n"
    for file in ("/etc/hostname", "../../etc/hostname", "secret.sql"):
        found = errors(put(client, "mine", sent(api.url) + step.replace("FILE", file)))
        assert any("allowed_folders" in line for line in found), found
    spelled = errors(put(client, "mine", sent(api.url, headers="{X-Api-Key: abcdefgh12345}")))
    assert "spells out a credential" in spelled[0]
    assert "abcdefgh12345" not in spelled[0]
    assert "spells out" in errors(put(client, "mine", sent(api.url) + "destination: postgresql://u:pw1234@h/d\n"))[0]
    assert client.get("/pipelines/mine").status_code == 404


def test_at_run_time_too(running, api, config) -> None:
    """A host that only an input names is checked when it is connected to."""
    text = sent(api.url).replace(f"url: {api.url}/items", 'url: "{word}/items"')
    assert put(running.client, "mine", text).status_code == 201
    run = running.update(pipeline="mine", destination="lite", inputs={"word": "http://169.254.169.254"})
    ended = running.wait(run)
    assert ended["status"] == "failed"
    assert "not a public address" in ended["error"]
    assert "allowed_hosts" in ended["remedy"]
    assert put(running.client, "mine", sent(api.url, headers='{X-Name: "{word}"}')).status_code == 200
    asked = len(api.asked)
    for word in ("a\r\nX-Admin: 1", "a\nb", "a\x00b"):
        ended = running.wait(running.update(pipeline="mine", destination="lite", inputs={"word": word}))
        assert ended["status"] == "failed"
        assert "line break or NUL" in ended["error"]
    assert len(api.asked) == asked


def test_the_services_own_files_may_hold_sql_and_read_their_folder(running, api, config) -> None:
    folder = config.pipelines
    (folder / "n.sql").write_text("SELECT id AS n FROM items")
    (folder / "own.yml").write_text(
        sent(api.url, "own")
        + "  - {step: s, processor: generic.sql_transformer, config: {dialect: sqlite, sql_file: n.sql}}\n"
    )
    (folder / "out.yml").write_text((folder / "own.yml").read_text().replace("own", "out").replace("n.sql", "../n.sql"))
    (folder.parent / "n.sql").write_text("SELECT 1 AS n")
    assert running.wait(running.update(pipeline="own", destination="lite"))["status"] == "done"
    refused = errors(running.client.post("/pipeline/update", json={"pipeline": "out"}))
    assert any("allowed_folders" in line for line in refused)
    assert str(folder) not in "".join(refused)
    listed = {each["pipeline"]: each for each in running.client.get("/pipelines").json()["pipelines"]}
    assert listed["out"]["errors"] == refused
    assert listed["own"]["errors"] == []


@pytest.mark.parametrize(
    "name", ["%2E%2E%2Fx", "a%2F..%2Fb", "..%2F..%2Fetc%2Fpasswd", "a%00b", "%2Fetc%2Fpasswd", "é"]
)
def test_a_name_is_no_path(running, api, name: str) -> None:
    for answer in (put(running.client, name, sent(api.url)), running.client.get(f"/pipelines/{name}")):
        assert answer.status_code in (404, 405, 422), answer.text
    asked = running.client.post("/pipeline/update", json={"pipeline": "../" + name})
    assert asked.status_code == 422


def test_names_of_the_service_itself_stay(running, api) -> None:
    for name in ("tvmaze", "lists"):
        assert put(running.client, name, sent(api.url, name)).status_code == 409


def test_an_organisation_sees_its_own_only(two, api) -> None:
    _, acme, other = two
    assert put(acme, "mine", sent(api.url)).status_code == 201
    assert other.get("/pipelines/mine").status_code == 404
    assert "mine" not in [each["pipeline"] for each in other.get("/pipelines").json()["pipelines"]]
    assert other.post("/pipeline/update", json={"pipeline": "mine"}).status_code == 422
    assert put(other, "mine", sent(api.url)).json()["version"] == 1
    assert acme.post("/pipeline/update", json={"pipeline": "mine", "destination": "lite"}).status_code == 202
    reader = acme.post("/keys", json={"scope": "run"}).json()["key"]
    refused = acme.put("/pipelines/x", content="x", headers={"X-API-Key": reader})
    assert refused.status_code == 403


def test_secrets_of_the_configured_file_are_the_operators(config, api, serving, tmp_path) -> None:
    file = tmp_path / "secrets.env"
    file.write_text("ACME_API_KEY=of-the-operator\n")
    file.chmod(0o600)
    text = sent(api.url, auth="{type: bearer, provider: ACME}")
    with serving(config.model_copy(update={"secrets_file": file, "require_keys": True})) as running:
        key = running.gate().first_key()
        admin = {"X-API-Key": key}
        acme = {
            "X-API-Key": running.client.post("/keys", json={"scope": "admin", "org": "acme"}, headers=admin).json()[
                "key"
            ]
        }
        outcomes = []
        for headers, destination in ((admin, "lite"), (acme, "duck")):
            assert put(running.client, "mine", text, **headers).status_code == 201
            running.client.headers.update(headers)
            ended = running.wait(running.update(pipeline="mine", destination=destination))
            outcomes.append((ended["status"], "no credential" in (ended["error"] or "")))
    assert outcomes == [("done", False), ("failed", True)]


def test_one_that_is_removed_is_not_offered_and_its_runs_go_on(running, api) -> None:
    client = running.client
    put(client, "mine", sent(api.url))
    put(client, "mine", sent(api.url).replace("Sent over", "Second over"))
    api.allow(1)
    run = running.update(pipeline="mine", destination="lite")
    api.wait_for("items", 2)
    assert client.post(f"/runs/{run}/cancel").status_code == 202
    assert running.wait(run)["status"] == "cancelled"
    assert client.delete("/pipelines/mine", headers={"If-Match": "1"}).status_code == 412
    assert client.delete("/pipelines/mine", headers={"If-Match": '"2"'}).status_code == 204
    assert client.delete("/pipelines/mine").status_code == 404
    assert client.get("/pipelines/mine").status_code == 404
    assert client.get("/pipelines/mine", params={"version": 1}).status_code == 404
    assert "mine" not in [each["pipeline"] for each in client.get("/pipelines").json()["pipelines"]]
    assert "mine" not in client.get("/ui/pipelines").text.split()
    assert client.post("/pipeline/update", json={"pipeline": "mine"}).status_code == 422
    again = put(client, "mine", sent(api.url).replace("Sent over", "Third over"), **{"If-Match": "0"})
    assert again.json()["version"] == 4, "nothing that began with an earlier one takes it for that"
    api.allow(None)
    assert client.post(f"/runs/{run}/resume").status_code == 202
    done = running.wait(run)
    assert (done["status"], done["options"]["version"], done["error"]) == ("done", 2, None)
    assert client.get("/pipelines/mine", params={"version": 2}).json()["description"] == "Second over HTTP"
    assert client.get("/pipelines/mine", params={"version": 3}).status_code == 404


def test_only_an_organisation_s_own_is_removed(two, api) -> None:
    _, acme, other = two
    put(acme, "mine", sent(api.url))
    for name in ("mine", "nothing", "a b", "x" * 200):
        assert other.delete(f"/pipelines/{name}").status_code == 404
    for name in ("tvmaze", "lists"):
        assert acme.delete(f"/pipelines/{name}").status_code == 409
    reader = acme.post("/keys", json={"scope": "run"}).json()["key"]
    assert acme.delete("/pipelines/mine", headers={"X-API-Key": reader}).status_code == 403
    assert acme.get("/pipelines/mine").status_code == 200


@pytest.mark.parametrize("destination", ["lite", "duck"])
def test_what_is_sent_writes_into_no_table_of_another_organisation(two, api, destination: str) -> None:
    _, acme, other = two

    def run(client: httpx.Client, name: str, text: str) -> dict[str, Any]:
        assert put(client, name, text).status_code in (200, 201)
        made = client.post("/pipeline/update", json={"pipeline": name, "destination": destination})
        while True:
            address = f"/pipeline/status/{made.json()['request_id']}"
            found: dict[str, Any] = client.get(address, params={"wait": 5}).json()
            if not found["running"]:
                return found

    assert run(acme, "mine", sent(api.url))["status"] == "done"
    assert run(acme, "mine", sent(api.url))["status"] == "done", "its own"
    for table in ("items", "ITEMS", "items_seen", "items_raw_pages", "items_rejected", "items_sighted"):
        text = sent(api.url, "theirs").replace("step: items", "step: things")
        failed = run(other, "theirs", text.replace("table: items", f"table: {table}"))
        assert failed["status"] == "failed", table
        assert "may not write into" in failed["error"], failed["error"]
    archive = sent(api.url, "theirs", raw="{table: items}").replace("table: items,", "table: others,")
    assert "may not write into items" in run(other, "theirs", archive)["error"]
    assert run(other, "theirs", sent(api.url, "theirs").replace("table: items", "table: others"))["status"] == "done"
