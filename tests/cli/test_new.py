"""``headrace new --from`` a request: a file that runs, without its secrets, and its preview."""

from __future__ import annotations

import contextlib
import io
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace.sandbox.thread import Sandbox

KEY = "sk_test_4eC39HqLyjWDarjtT1zdp7dc"


def test_a_url_becomes_a_file_that_checks_previews_and_runs(
    invoke: Callable[..., Any], sandbox: Sandbox, home: Path
) -> None:
    said = invoke("new", "mine.yml", "--from", f"{sandbox.url}/styles/cursor-more?records=150")
    assert (said.code, said.err) == (0, "")
    assert "REQUEST" in said.out
    assert "NEXT  goes on: next is" in said.out
    assert "pipeline_id: mine" in (home / "mine.yml").read_text()
    assert invoke("check", "mine.yml").code == 0
    assert invoke("run", "mine.yml", "--destination", "sqlite:///mine.sqlite").code == 0
    with contextlib.closing(sqlite3.connect(home / "mine.sqlite")) as landed:
        assert landed.execute("SELECT count(*), count(DISTINCT id) FROM cursor_more").fetchone() == (150, 150)


@pytest.mark.parametrize("how", ["text", "file", "stdin"])
def test_the_key_of_a_curl_command_is_used_and_not_written(
    invoke: Callable[..., Any], sandbox: Sandbox, home: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    command = f"curl '{sandbox.url}/styles/graphql-get?first=5&token={KEY}' -H 'Cookie: session={KEY}'"
    (home / "request.txt").write_text(command)
    monkeypatch.setattr("sys.stdin", io.StringIO(command))
    said = invoke("new", "mine.yml", "--from", {"text": command, "file": "@request.txt", "stdin": "-"}[how])
    assert said.code == 0, said.err
    text = (home / "mine.yml").read_text()
    assert "auth: {type: query, param_name: token, provider: MY_API}" in text
    assert "MY_API_API_KEY" in text
    assert KEY not in text + said.out + said.err
    monkeypatch.setenv("MY_API_API_KEY", KEY)
    assert invoke("preview", "mine.yml").code == 0


def test_nothing_is_asked_where_the_file_is_there(invoke: Callable[..., Any], sandbox: Sandbox, home: Path) -> None:
    (home / "mine.yml").write_text("mine")
    before = sandbox.stats()["requests"]
    said = invoke("new", "mine.yml", "--from", f"{sandbox.url}/styles/whole")
    assert said.code == 2
    assert "is there already" in said.err
    assert sandbox.stats()["requests"] == before
    assert (home / "mine.yml").read_text() == "mine"


def test_a_post_is_sent_only_when_it_is_said_to_read(invoke: Callable[..., Any], sandbox: Sandbox, home: Path) -> None:
    command = f"curl {sandbox.url}/styles/post-body --json '{{\"page_size\": 20}}'"
    before = sandbox.stats()["requests"]
    said = invoke("new", "mine.yml", "--from", command)
    assert said.code == 2
    assert "--safe" in said.err
    assert sandbox.stats()["requests"] == before
    assert not (home / "mine.yml").exists()
    assert invoke("new", "mine.yml", "--from", command, "--safe").code == 0


def test_what_cannot_be_drafted_says_why_and_writes_nothing(
    invoke: Callable[..., Any], api: tuple[str, dict[str, Any]], home: Path
) -> None:
    url, answers = api
    answers["/one"] = (200, "application/json", json.dumps({"id": 1, "name": "x"}).encode())
    answers["/page"] = (200, "text/html", b"<!DOCTYPE html><html><body>Hello</body></html>")
    for path, code, words in (
        ("/one", 1, "the keys id, name"), ("/page", 1, "HTML"), ("/none", 1, "404"),
    ):  # fmt: skip
        said = invoke("new", "mine.yml", "--from", url + path)
        assert said.code == code
        assert words in said.err
        assert "Traceback" not in said.err
    (home / "note.txt").write_text("hello")
    for source, words in (
        ("@note.txt", "neither a curl command nor a URL"),
        ("@gone", "cannot be read"),
        ("hubspto", "hubspot"),
    ):
        said = invoke("new", "mine.yml", "--from", source)
        assert said.code == 2
        assert words in said.err
    assert not (home / "mine.yml").exists()


def test_an_endpoint_belongs_to_a_description(invoke: Callable[..., Any], sandbox: Sandbox, home: Path) -> None:
    for arguments in (("--endpoint", "/a"), ("--endpoint", "/a", "--from", f"{sandbox.url}/styles/whole")):
        said = invoke("new", "mine.yml", *arguments)
        assert said.code == 2
        assert "OpenAPI" in said.err
    assert not (home / "mine.yml").exists()


def test_a_description_is_read_from_where_it_is_served(
    invoke: Callable[..., Any], api: tuple[str, dict[str, Any]], home: Path
) -> None:
    url, answers = api
    rows = {
        "type": "array",
        "items": {"type": "object", "properties": {"id": {"type": "integer"}, "name": {"type": "string"}}},
    }
    operation = {"responses": {"200": {"content": {"application/json": {"schema": rows}}}}}
    described = {"openapi": "3.1.0", "servers": [{"url": "/v1"}], "paths": {"/things": {"get": operation}}}
    answers["/openapi.json"] = (200, "application/json", json.dumps(described).encode())
    answers["/v1/things"] = (200, "application/json", b'[{"id": 1, "name": "x"}]')
    assert invoke("new", "mine.yml", "--from", f"{url}/openapi.json").code == 0
    said = invoke("preview", "mine.yml")
    assert said.code == 0, said.err
    assert "things: 1 rows" in said.out


def test_what_a_browser_saw_is_drafted_and_previewed(invoke: Callable[..., Any], sandbox: Sandbox, home: Path) -> None:
    def entry(path: str, method: str, rows: list[dict[str, Any]], body: str | None = None) -> dict[str, Any]:
        headers = [{"name": "Authorization", "value": f"Bearer {KEY}"}, {"name": "Cookie", "value": f"sid={KEY}"}]
        posted = {"postData": {"text": body}} if body is not None else {}
        content = {"mimeType": "application/json", "text": json.dumps({"results": rows})}
        request = {"method": method, "url": f"{sandbox.url}{path}", "headers": headers, **posted}
        return {"request": request, "response": {"status": 200, "headers": [], "content": content}}

    seen = [
        entry("/styles/page-1?per_page=2&page=1", "GET", [{"id": 1}, {"id": 2}]),
        entry("/styles/page-1?per_page=2&page=2", "GET", [{"id": 3}, {"id": 4}]),
        entry("/styles/post-body", "POST", [{"id": 1}], "{}"),
    ]
    (home / "seen.har").write_text(json.dumps({"log": {"entries": seen}}))
    before = sandbox.stats()["requests"]
    said = invoke("new", "mine.yml", "--from", "seen.har")
    assert said.code == 2
    assert "2 endpoints of this file list records" in said.err
    assert not (home / "mine.yml").exists()
    said = invoke("new", "posted.yml", "--from", "seen.har", "--endpoint", "/styles/post-body")
    assert said.code == 0
    assert "Nothing was asked" in said.out
    assert sandbox.stats()["requests"] == before
    said = invoke("new", "mine.yml", "--from", "seen.har", "--endpoint", "/styles/page-1")
    assert said.code == 0, said.err
    assert "NEXT  goes on" in said.out
    text = (home / "mine.yml").read_text()
    assert "pagination: {type: page, param: page}" in text
    assert "auth: {type: bearer, provider: MY_API}" in text
    assert KEY not in text + said.out + said.err
    assert invoke("check", "mine.yml").code == 0
