"""HAR files: what a browser saw of each paging style becomes a draft, without a request, whose run lands every record."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml

import headrace
from headrace.core.contracts import Answer, Secret
from headrace.core.errors import InputError, SourceError
from headrace.core.http import Request, Response
from headrace.discover.asked import Asked
from headrace.discover.endpoint import draft_of
from headrace.discover.har import choose, read_har
from headrace.discover.probe import Probe
from headrace.pipeline.load import parse
from headrace.sandbox import Options, Sandbox, run_in_thread
from headrace.sandbox.styles import all_styles
from headrace.sources.decode import split

RECORDS = 237
KEY = "k3y-0f-the-s4ndbox-1234567890"
SECRET = "sk_test_4eC39HqLyjWDarjtT1zdp7dc"


def entry(url: str, answer: Any, *, method: str = "GET", headers: dict[str, str] | None = None, body: str | None = None,
          mime: str = "application/json", status: int = 200, answered: dict[str, str] | None = None) -> dict[str, Any]:  # fmt: skip
    """As a browser writes it; ``answer`` is bytes, or JSON to be."""
    content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    posted = {"postData": {"mimeType": "application/json", "text": body}} if body is not None else {}
    return {
        "request": {"method": method, "url": url, "headers": pairs(headers or {}), **posted},
        "response": {
            "status": status, "headers": pairs(answered or {}),
            "content": {"mimeType": mime, "encoding": "base64", "text": base64.b64encode(content).decode()},
        },
    }  # fmt: skip


def pairs(given: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in given.items()]


def har(folder: Path, *entries: Any) -> Path:
    file = folder / "seen.har"
    file.write_text(json.dumps({"log": {"version": "1.2", "entries": entries}}))
    return file


def drafted(folder: Path, *entries: Any, wanted: str | None = None) -> tuple[str, dict[str, Any]]:
    text, _ = draft_of(choose(read_har(har(folder, *entries)), wanted), "seen.har")
    read = parse(text, "seen.yml")
    assert read.warnings == (), text
    document = yaml.safe_load(text)
    return text, {**document["source"], **document["steps"][0]["config"]}


def people(first: int, count: int = 3) -> list[dict[str, Any]]:
    return [{"id": n, "name": f"n{n}"} for n in range(first, first + count)]


URL = "https://api.acme.com/v1/people"


@pytest.mark.parametrize(
    ("entries", "paging"),
    [
        (
            [entry(f"{URL}?size=3&page={n}", {"rows": people(3 * n), "total": 30}) for n in (1, 2)],
            {"type": "page", "param": "page", "total_path": "total"},
        ),
        ([entry(f"{URL}?blatt={n}", people(3 * n)) for n in (0, 1)], {"type": "page", "param": "blatt", "start": 0}),
        ([entry(URL, people(0)), entry(f"{URL}?ab=3", people(3))], {"type": "offset", "param": "ab"}),
        (
            [entry(f"{URL}?_=1700000000001", {"d": people(0), "weiter": {"end": "x9"}}), entry(f"{URL}?_=1700000000002&nach=x9", {"d": people(3)})],
            {"type": "cursor", "param": "nach", "response_path": "weiter.end"},
        ),
        (
            [entry(URL, people(5)), entry(f"{URL}?since_id=7", people(8))],
            {"type": "cursor", "param": "since_id", "response_path": "-1.id"},
        ),
        (
            [entry(URL, people(0), answered={"Link": f'<{URL}?x=1>; rel="next"'}), entry(f"{URL}?x=1", people(3))],
            {"type": "link"},
        ),
        (
            [entry(URL, {"d": people(3 * n), "next": f"c{n + 1}"}, method="POST", body=json.dumps({"q": {"a": 1, "at": f"c{n}" if n else None}})) for n in (0, 1)],
            {"type": "cursor", "in": "body", "body_path": "q.at", "response_path": "next"},
        ),
        (
            [entry(URL, {"d": people(0), "meta": {"next": "?page=2", "total": 6}}), entry(f"{URL}?page=2", {"d": people(3)})],
            {"type": "link", "response_path": "meta.next", "total_path": "meta.total"},
        ),
        ([entry(f"{URL}?page=1", {"rows": people(0)})], {"type": "page", "param": "page"}),
        ([entry(URL, people(0))], {"type": "none"}),
    ],
)  # fmt: skip
def test_what_differs_between_requests_is_the_paging(
    tmp_path: Path, entries: list[dict[str, Any]], paging: dict[str, Any]
) -> None:
    text, config = drafted(tmp_path, *entries)
    assert config["pagination"] == paging, text
    assert ("Not certain" in text) == (len(entries) == 1)
    assert "1700000000001" not in text


@pytest.mark.parametrize(
    ("where", "auth"),
    [
        ({"headers": {"Authorization": f"Bearer {SECRET}", "Cookie": f"a={SECRET}"}}, {"type": "bearer"}),
        ({"headers": {"X-Api-Key": SECRET}}, {"type": "header", "header_name": "X-Api-Key"}),
        ({"headers": {"cookie": f"theme=dark; sessionid={SECRET}"}}, {"type": "header", "header_name": "Cookie"}),
        ({"headers": {"cookie": f"_ga={SECRET}"}}, None),
        ({"url": f"{URL}?api_key={SECRET}"}, {"type": "query", "param_name": "api_key"}),
        ({"url": f"{URL}?odd={SECRET}"}, None),
        ({"method": "POST", "body": json.dumps({"filter": {"access_token": SECRET}})}, None),
    ],
)
def test_a_secret_never_gets_into_the_draft(tmp_path: Path, where: dict[str, Any], auth: dict[str, Any] | None) -> None:
    call = {"url": URL, "answer": {"rows": people(1), "token": SECRET}, **where}
    second = {**call, "answer": {"rows": people(4)}}
    glue = "&" if "?" in call["url"] else "?"
    second["url"] = f"{call['url']}{glue}page=2"
    text, config = drafted(tmp_path, entry(**call), entry(**second))
    assert SECRET not in text
    assert config.get("auth") == (auth and {**auth, "provider": "ACME"})
    assert config["pagination"] == {"type": "page", "param": "page"}, text
    if auth is None and "_ga" not in str(where):
        assert "{env.ACME_" in text


def test_several_lists_are_shown_and_one_is_chosen(tmp_path: Path) -> None:
    query = {"query": "query People { people { id } }"}
    entries = (
        entry(URL, people(1)), entry("https://other.com/v1/people", people(1)), entry("https://api.acme.com/v1/pets", people(1, 9)),
        entry("https://api.acme.com/graphql", {"data": {"people": people(1)}}, method="POST", body=json.dumps(query)),
        entry("https://api.acme.com/graphql", {"data": {"pets": people(1)}}, method="POST", body=json.dumps({"query": "{ pets { id } }"})),
        entry("https://api.acme.com/app.js", b"let x = [1]", mime="text/javascript"), entry(URL, {"id": 1}), entry(URL, [], status=500),
        {"request": None}, 7,
    )  # fmt: skip
    with pytest.raises(InputError) as raised:
        drafted(tmp_path, *entries)
    said = str(raised.value)
    assert "5 endpoints of this file list records" in said
    for line in (
        f"  GET {URL}  (1 request, 3 records at the root)", "  /v1/pets  (1 request, 9 records", "  /graphql#People  ",
        "  /graphql#pets  ",
    ):  # fmt: skip
        assert line in said
    for wanted in ("/v1/pets", "https://api.acme.com/v1/pets"):
        assert drafted(tmp_path, *entries, wanted=wanted)[1]["url"] == "/v1/pets"
    assert drafted(tmp_path, *entries, wanted=URL)[1]["url"] == "/v1/people"
    text, config = drafted(tmp_path, *entries, wanted="/graphql#People")
    assert config["graphql"] == query
    assert "- step: people" in text
    with pytest.raises(InputError, match="there are several"):
        drafted(tmp_path, *entries, wanted="/v1/people")
    with pytest.raises(InputError, match="did you mean '/v1/pets'"):
        drafted(tmp_path, *entries, wanted="/v1/pet")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not JSON"), ("[" * 5000, "not JSON"), ("[]", "no log.entries"), ('{"log": {}}', "no log.entries"),
        ('{"log": {"entries": [{"request": {}, "response": {"content": {}}}]}}', "none of its 1 answers"),
    ],
)  # fmt: skip
def test_what_is_no_har_file_says_so(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "a.har").write_text(text)
    with pytest.raises(InputError, match=said):
        read_har(tmp_path / "a.har")
    with pytest.raises(InputError, match="cannot be read"):
        read_har(tmp_path / "gone.har")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with run_in_thread(Options(records=RECORDS, page_size=50)) as served:
        yield served


STYLES = [name for name in all_styles() if name not in ("soap", "error-in-200", "page-gaps")]
"""A page number in an envelope is to be written by hand; every third answer of the next is an
error; the last ends in a 404, which nobody saw."""


async def watched(sandbox: Sandbox, name: str) -> list[dict[str, Any]]:
    """The first three pages of a style, as a browser's application would ask for them."""
    style = all_styles()[name]
    probe = Probe(Asked({"url": style.path, **style.extract}, sandbox.url, "MY_API", Secret(KEY)))
    plan, found = probe.plan({}), list[dict[str, Any]]()
    try:
        cursor = plan.paginator.start()
        for number in range(1, 4):
            request = plan.paginator.apply(probe.base, cursor)
            seen = await probe.ask(request)
            if "auth" in style.extract:
                request = request.with_params([(style.extract["auth"]["param_name"], KEY)])
            found.append(exchanged(request, seen.response))
            decoder = plan.decoder or seen.decoder
            envelope = decoder.open(seen.response, plan.data_path, plan.paginator.wants())
            count = len(split(envelope.records))
            cursor = plan.paginator.next(Answer(seen.response, envelope, count, number, 50 * number), cursor)
            if cursor is None:
                break
    finally:
        await probe.close()
    return found


def exchanged(request: Request, response: Response) -> dict[str, Any]:
    body, headers = request.text, {"Cookie": f"sid={KEY}", "User-Agent": "Mozilla", **dict(request.headers)}
    if request.json is not None:
        body = json.dumps(request.json)
    elif request.form is not None:
        body = urlencode(request.form)
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    kind = response.header("content-type")
    return entry(request.full_url, response.body, method=request.method, headers=headers, body=body, mime=kind,
                 answered=dict(response.headers))  # fmt: skip


@pytest.mark.parametrize("name", STYLES)
def test_what_a_browser_saw_of_a_style_lands_every_record(sandbox: Sandbox, tmp_path: Path, name: str) -> None:
    sandbox.reset()
    seen = asyncio.run(watched(sandbox, name))
    before = sandbox.stats()["requests"]
    text, _ = draft_of(choose(read_har(har(tmp_path, *seen)), None), "seen.har", safe=True)
    assert sandbox.stats()["requests"] == before, "nothing is asked"
    assert KEY not in text
    assert parse(text, "landed.yml").warnings == (), text
    file, database = tmp_path / "landed.yml", tmp_path / "landed.sqlite"
    file.write_text(re.sub(r"(  base_url: .*\n)", r"\1  rate_limit: {requests_per_second: 1000}\n", text))
    sandbox.reset()
    status = ""
    with contextlib.suppress(SourceError):
        status = headrace.run(
            file, destination=f"sqlite:///{database}", run_id=name, secrets={"MY_API": KEY}, state=tmp_path / "state"
        ).status  # fmt: skip
    assert status == "done", text
    (table,) = re.findall(r"- table: (\w+)", text)
    with contextlib.closing(sqlite3.connect(database)) as landed:
        found = landed.execute(f"SELECT count(*), count(DISTINCT id) FROM {table}").fetchone()
    assert found == (RECORDS, RECORDS), json.dumps([found, text])
