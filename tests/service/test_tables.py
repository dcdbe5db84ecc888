"""Rows over HTTP: typed conditions, pages by key, nothing sensitive, and each organisation's own."""

from __future__ import annotations

import html
import json
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg
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


@pytest.fixture
def everywhere(filled: Any, config: Any, postgres_url: str) -> Any:
    """The same with PostgreSQL."""
    config.destinations["pg"] = postgres_url
    assert filled.wait(filled.update(pipeline="goods", destination="pg"))["status"] == "done"
    return filled


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


def walked(client: httpx.Client, table: str, **asked: Any) -> list[dict[str, Any]]:
    """All rows, page by page."""
    seen: list[dict[str, Any]] = []
    after: dict[str, str] = {}
    while True:
        page = rows(client, table, **asked, **after)
        seen += page["rows"]
        if page["next"] is None:
            return seen
        after = {"after": page["next"]}


def test_pages_in_the_order_of_the_key(everywhere, config) -> None:
    for destination in config.destinations:
        for table, order in (("goods", True), ("goods_log", False)):
            seen = [row["id"] for row in walked(everywhere.client, table, destination=destination, limit=7)]
            assert sorted(seen) == list(range(25))
            assert not order or seen == list(range(25))
            page = f"/ui/tables/{destination}/{table}"
            assert "name 024" in everywhere.client.get(page).text


def test_the_pages_of_the_dashboard_follow_each_other(everywhere, config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.service.pages.tables.PAGE", 7)
    for destination in config.destinations:
        for table in ("goods", "goods_log"):
            address, seen = f"/ui/tables/{destination}/{table}", []
            while address:
                page = everywhere.client.get(address)
                assert page.status_code == 200, page.text
                seen += re.findall(r">(name \d{3})<", page.text)
                following = re.search(r'rel="next" href="([^"]+)"', page.text)
                address = html.unescape(following[1]) if following else ""
            assert sorted(seen) == [f"name {n:03}" for n in range(25)]
        wrong = everywhere.client.get(f"/ui/tables/{destination}/goods", params={"after": "(0,1)x"})
        assert wrong.status_code == 422


KEYS = ["price", "share", "seen", "day", "live", "name"]


@pytest.mark.parametrize("kind", KEYS)
def test_pages_by_a_key_of_any_type(
    kind: str, running: Any, api: Any, config: Any, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.destinations["pg"] = postgres_url
    monkeypatch.setattr(api, "answer", lambda name, page: {"data": [record(n) for n in range(25)]})
    spec = json.loads(pipeline(api.url))
    spec["steps"][0]["config"]["tables"] = [{"table": "goods", "key": [kind, "id"], "columns": COLUMNS}]
    (config.pipelines / "goods.yml").write_text(json.dumps(spec))
    for destination in config.destinations:
        assert running.wait(running.update(pipeline="goods", destination=destination))["status"] == "done"
        found = walked(running.client, "goods", destination=destination, limit=4)
        assert sorted(row["id"] for row in found) == list(range(25)), destination
        if destination != "lite" or kind != "price":  # kept as text there
            assert [row[kind] for row in found] == sorted(row[kind] for row in found), destination


def test_a_table_without_a_key_is_not_read_whole_for_each_page(running, postgres_url, config) -> None:
    """PostgreSQL has no index in the order that rows lie in: it is told which blocks to read."""
    from headrace.inspect.order import Placed

    with from_url(postgres_url).open() as session:
        connection = psycopg.connect(postgres_url, autocommit=True)
        with connection:
            connection.execute(
                "CREATE TABLE large AS SELECT n, repeat('x', 1000) AS text FROM generate_series(1, 20000) n"
            )
            blocks = connection.execute("SELECT pg_relation_size('large') / 8192").fetchone()[0]
            spans = list(Placed(postgres_url).spans(session, "large", None))
            assert blocks > 1000
            first = connection.execute(
                f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT n FROM large WHERE {spans[0][0].replace('?', '%s')} "
                "ORDER BY ctid LIMIT 101", spans[0][1],
            ).fetchone()[0][0]["Plan"]  # fmt: skip
            assert first["Shared Hit Blocks"] + first["Shared Read Blocks"] < 200
            seen: list[int] = []
            for span, values in spans:
                sql = f"SELECT n FROM large WHERE {span.replace('?', '%s')} ORDER BY ctid"
                seen += [row[0] for row in connection.execute(sql, values)]
            assert seen == list(range(1, 20001))
            connection.execute("DROP TABLE large")
        connection.close()


def test_what_is_sensitive_stays_so_when_its_run_is_long_gone(filled, config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.inspect.rows.RUNS", 1)
    later = (
        (config.pipelines / "goods.yml")
        .read_text()
        .replace("goods", "later")
        .replace('"sensitive": true', '"sensitive": false')
    )
    (config.pipelines / "later.yml").write_text(later.replace('"email"', '"mail"', 1))
    for destination in config.destinations:
        assert filled.wait(filled.update(pipeline="later", destination=destination))["status"] == "done"
        shown = filled.client.get(f"/ui/tables/{destination}/goods")
        assert "name 003" in shown.text
        assert "mail.example" not in shown.text
        assert "sensitive" in filled.client.get(f"/ui/tables/{destination}/goods/why", params={"key": "id=3"}).text
        tables = filled.client.get("/ui/tables", params={"destination": destination}).text
        assert "goods_raw_pages" not in tables


def test_nobody_finds_out_by_a_key_whether_a_sensitive_value_is_there(running, api, config, monkeypatch) -> None:
    monkeypatch.setattr(api, "answer", lambda name, page: {"data": [record(n) for n in range(3)]})
    spec = json.loads(pipeline(api.url))
    spec["steps"][0]["config"]["tables"] = [{"table": "goods", "key": ["email"], "columns": COLUMNS}]
    (config.pipelines / "goods.yml").write_text(json.dumps(spec))
    assert running.wait(running.update(pipeline="goods", destination="lite"))["status"] == "done"
    answers = set()
    for value in ("person1@mail.example", "nobody@mail.example"):
        asked = {"destination": "lite", "key": value}
        answers.add(running.client.get("/tables/goods/why", params=asked).status_code)
        answers.add(running.client.get("/ui/tables/lite/goods/why", params=asked).text.count("sensitive columns"))
    assert answers == {422, 1}


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
