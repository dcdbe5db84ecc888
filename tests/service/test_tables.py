"""Rows over HTTP: typed conditions, pages by key, nothing sensitive, and each organisation's own."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

import headrace
from headrace.destinations import from_url
from headrace.sandbox import Options, run_in_thread

COLUMNS = {
    "id": {"path": "id", "type": "int"},
    "name": {"path": "name", "type": "string"},
    "price": {"path": "price", "type": "decimal"},
    "share": {"path": "share", "type": "float"},
    "seen": {"path": "seen", "type": "timestamp"},
    "day": {"path": "day", "type": "date"},
    "live": {"path": "live", "type": "bool"},
    "more": {"path": "more", "type": "json"},
    "email": {"path": "email", "type": "string", "sensitive": True},
}


def record(n: int) -> dict[str, Any]:
    return {
        "id": n, "name": f"name {n:03}", "price": 9007199254740993 + n if n == 1 else n / 4, "share": n / 10,
        "seen": f"2026-01-01T00:00:{n % 60:02}Z", "day": f"2026-01-{n % 28 + 1:02}", "live": n % 2 == 0,
        "more": {"n": n}, "email": f"person{n}@mail.example",
    }  # fmt: skip


def pipeline(url: str, name: str = "goods", **top: Any) -> str:
    tables = [
        {"table": name, "key": ["id"], "columns": COLUMNS},
        {"table": f"{name}_log", "columns": {"id": COLUMNS["id"], "name": "name"}},
    ]
    config = {"url": f"{url}/items", "data_path": "data", "tables": tables,
              "rate_limit": {"requests_per_second": 10_000, "max_retries": 0}}  # fmt: skip
    steps = [{"step": name, "processor": "generic.api_extractor", "config": config}]
    return json.dumps({"pipeline_id": name, **top, "steps": steps})


@pytest.fixture
def filled(running: Any, api: Any, config: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A service whose databases hold 25 rows of the table `goods`."""
    monkeypatch.setattr(api, "answer", lambda name, page: {"data": [record(n) for n in range(25)]})
    assert config.pipelines is not None
    (config.pipelines / "goods.yml").write_text(pipeline(api.url))
    for destination in config.destinations:
        assert running.wait(running.update(pipeline="goods", destination=destination))["status"] == "done"
    return running


def rows(client: httpx.Client, table: str = "goods", **asked: Any) -> dict[str, Any]:
    answer = client.get(f"/tables/{table}/rows", params=asked)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def ids(client: httpx.Client, *where: str, **asked: Any) -> list[int]:
    return [row["id"] for row in rows(client, where=list(where), **asked)["rows"]]


def test_tables_and_rows(filled, config) -> None:
    for destination in config.destinations:
        listed = filled.client.get("/tables", params={"destination": destination}).json()
        assert listed["destination"] == destination
        assert {each["table"]: each["rows"] for each in listed["tables"]} == {"goods": 25, "goods_log": 25}
        assert all(each["pipeline"] == "goods" and each["filled_at"] for each in listed["tables"])
        whole = rows(filled.client, destination=destination)
        assert list(whole["columns"]) == [name for name in COLUMNS if name != "email"]
        first = whole["rows"][2]
        assert first == {
            "id": 2, "name": "name 002", "price": 0.5, "share": 0.2, "seen": first["seen"], "day": "2026-01-03",
            "live": True, "more": {"n": 2},
        }  # fmt: skip
        assert first["seen"].startswith("2026-01-01T00:00:02")
        some = rows(filled.client, destination=destination, column=["name", "id"], limit=1)
        assert some["rows"] == [{"name": "name 000", "id": 0}]
        text = filled.client.get("/tables/goods/rows", params={"destination": destination, "where": "id=1"}).text
        assert "9007199254740994" in text


def test_typed_conditions(filled, config) -> None:
    for destination in config.destinations:

        def asked(*where: str, to: str = destination) -> list[int]:
            return ids(filled.client, *where, destination=to)

        assert asked("id=7") == [7]
        assert asked("id>=23") == [23, 24]
        assert asked("id>=10", "id<12") == [10, 11]
        assert asked("name=name 010") == [10]
        assert asked("name~02") == [2, 20, 21, 22, 23, 24]
        assert asked("live=true", "id<5") == [0, 2, 4]
        assert asked("price=0.5") == [2]
        assert asked("price<1", "id!=1") == [0, 2, 3]
        assert asked("share>2.25") == [23, 24]
        assert asked("seen>2026-01-01T00:00:22Z") == [23, 24]
        assert asked("seen=2026-01-01T02:00:03+02:00") == [3]
        assert asked("day=2026-01-03") == [2]
        assert asked("name is null") == []
        assert len(asked("name is not null")) == 25
        assert asked("name=' OR 1=1 --") == []


MISFITS: list[dict[str, Any]] = [
        {"where": "id=x"}, {"where": "id=99999999999999999999"}, {"where": "nothing=1"}, {"where": "id"}, {"where": ""},
        {"where": "id=1 OR 1=1"}, {"where": 'id"=1'}, {"where": "live=perhaps"}, {"where": "day=2026-13-01"},
        {"where": "seen=yesterday"}, {"where": "price=NaN"}, {"where": "price=1e999"}, {"where": "more={}"},
        {"where": "id~1"}, {"column": "nothing"}, {"column": "id; DROP TABLE goods"}, {"after": "x"}, {"after": "!!"},
        {"after": "WzEsMl0"}, {"limit": 0}, {"limit": 1001}, {"where": "email=person1@mail.example"},
        {"where": "EMAIL~p"}, {"column": "email"}, {"column": "_page"},
]  # fmt: skip


def test_what_does_not_fit_is_refused(filled) -> None:
    for asked in MISFITS:
        answer = filled.client.get("/tables/goods/rows", params=asked)
        assert answer.status_code == 422, (asked, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"


def test_pages_in_the_order_of_the_key(filled, config) -> None:
    for destination in config.destinations:
        for table, order in (("goods", True), ("goods_log", False)):
            seen: list[int] = []
            after: dict[str, str] = {}
            while True:
                page = rows(filled.client, table, destination=destination, limit=7, **after)
                seen += [row["id"] for row in page["rows"]]
                if page["next"] is None:
                    break
                after = {"after": page["next"]}
            assert sorted(seen) == list(range(25))
            assert not order or seen == list(range(25))


def test_a_row_leads_to_its_answer(filled, config) -> None:
    client = filled.client
    found = client.get("/tables/goods_log/why", params={"key": ["id=3"]})
    assert found.status_code == 200, found.text
    origin = found.json()
    assert (origin["step"], origin["page"], origin["record"], origin["status"]) == ("goods", 1, 3, 200)
    assert origin["url"].endswith("/items")
    assert json.loads(origin["bytes"])["id"] == 3
    hidden = client.get("/tables/goods/why", params={"key": ["3"]}).json()
    assert hidden["bytes"] is None
    assert "mail.example" not in json.dumps(hidden)
    for params in ({"key": ["99"]}, {"key": ["id=99"]}):
        assert client.get("/tables/goods/why", params=params).status_code == 404
    assert client.get("/tables/goods/why", params={"key": ["email=person1@mail.example"]}).status_code == 422
    assert client.get("/tables/goods/why").status_code == 422


def test_the_pages_hide_it_too(filled, config) -> None:
    for destination in config.destinations:
        shown = filled.client.get(f"/ui/tables/{destination}/goods")
        assert shown.status_code == 200
        assert "name 003" in shown.text
        assert "mail.example" not in shown.text
        why = filled.client.get(f"/ui/tables/{destination}/goods/why", params={"key": "id=3"})
        assert "sensitive" in why.text
        assert "mail.example" not in why.text


def test_only_what_pipelines_fill(filled, config) -> None:
    for table in (
        "headrace_runs",
        "goods_raw_pages",
        "goods_seen",
        "goods_rejected",
        "sqlite_master",
        "nothing",
        "a/b",
    ):
        for path in (f"/tables/{table}/rows", f"/tables/{table}/why?key=1"):
            assert filled.client.get(path).status_code == 404, path
    assert filled.client.get("/tables", params={"destination": "sqlite:///etc/x"}).status_code == 404
    assert filled.client.get("/tables/goods/rows", params={"destination": "nowhere"}).status_code == 404


def test_a_database_that_is_not_there_yet(running) -> None:
    assert running.client.get("/tables").json()["tables"] == []
    assert running.client.get("/tables/goods/rows").status_code == 404
    assert running.client.get("/titles/tt1/offers").status_code == 404


def test_each_organisation_its_own(filled, config) -> None:
    """Of a database that several fill, a caller sees tables whose rows tell organisations apart, and of these its own."""
    assert config.pipelines is not None
    shared = pipeline("http://127.0.0.1", "shared").replace(
        "columns:", "columns:\n        org_slug: {value: '{org_slug}'}"
    )
    shared = json.loads(shared)
    url = json.loads((config.pipelines / "goods.yml").read_text())["steps"][0]["config"]["url"]
    table = shared["steps"][0]["config"]["tables"][0]
    table["columns"] = {"org_slug": {"value": "{org_slug}"}, **COLUMNS}
    table["key"] = ["org_slug", "id"]
    shared["steps"][0]["config"] |= {"url": url, "tables": [table]}
    (config.pipelines / "shared.yml").write_text(json.dumps(shared))
    client = filled.client
    admin = client.post("/keys", json={"scope": "admin"}).json()["key"]
    client.headers["X-API-Key"] = admin
    keys = {
        org: client.post("/keys", json={"scope": "run", "org": org}).json()["key"] for org in ("acme", "other", "third")
    }
    for org in ("acme", "other"):
        client.headers["X-API-Key"] = keys[org]
        assert filled.wait(filled.update(pipeline="shared", destination="lite"))["status"] == "done"
    for org, count in (("acme", 25), ("other", 25), ("third", 0)):
        client.headers["X-API-Key"] = keys[org]
        listed = client.get("/tables", params={"destination": "lite"}).json()["tables"]
        assert {each["table"]: each["rows"] for each in listed} == {"shared": count}
        found = rows(client, "shared", destination="lite")["rows"]
        assert [row["org_slug"] for row in found] == [org] * count
        other = rows(client, "shared", destination="lite", where=["org_slug=acme"])["rows"]
        assert len(other) == (25 if org == "acme" else 0)
        for table in ("goods", "goods_log"):
            assert client.get(f"/tables/{table}/rows", params={"destination": "lite"}).status_code == 404
            assert client.get(f"/tables/{table}/why", params={"destination": "lite", "key": "1"}).status_code == 404
        why = client.get("/tables/shared/why", params={"destination": "lite", "key": ["org_slug=acme", "id=1"]})
        if org == "acme":
            assert why.status_code == 200
        elif why.status_code == 200:  # its own row of that id
            assert client.get(f"/runs/{why.json()['run_id']}").json()["org"] == org
        else:
            assert why.status_code == 404


def test_offers_of_a_title(running, config) -> None:
    destination = config.destinations["duck"]
    with run_in_thread(Options(titles=20)) as sandbox:
        rewrite = {"streaming-availability.p.rapidapi.com": sandbox.url}
        secrets = {"SAPI": "test-key"}
        headrace.run("sapi", destination=destination, secrets=secrets, rewrite=rewrite, state=config.state)
    with from_url(destination).open(read_only=True) as session:
        title = next(
            row["sapi_id"] for b in session.query("SELECT sapi_id FROM sapi_offers LIMIT 1") for row in b.to_pylist()
        )
    found = running.client.get(f"/titles/{title}/offers", params={"country": "us"})
    assert found.status_code == 200, found.text
    offers = found.json()["offers"]
    assert offers
    assert {offer["sapi_id"] for offer in offers} == {title}
    assert {offer["country"] for offer in offers} == {"US"}
    then = running.client.get(f"/titles/{title}/offers", params={"at": "2000-01-01"})
    assert then.json()["offers"] == []
    assert running.client.get(f"/titles/{title}/offers", params={"country": "usa"}).status_code == 422
    assert running.client.get(f"/titles/{title}/offers", params={"at": "once"}).status_code == 422
    assert running.client.get("/titles/nobody/offers").json()["offers"] == []
