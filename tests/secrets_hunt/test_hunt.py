"""Marked secrets through every auth kind and every failure: nothing written or shown may hold one."""

from __future__ import annotations

import base64
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, unquote_plus

import pytest
import zstandard

from headrace.secrets.mask import Masker
from headrace.state.contract import RunEntry
from headrace.state.store import StateStore
from headrace.testing.secrets import SCENARIOS, Case, Scenario, Secrets, hunt, sweep_folder


def _client(secrets: Secrets) -> dict[str, str]:
    return {"client_id": "hunted-client", "client_secret": secrets.new("client")}


def _refresh(secrets: Secrets) -> dict[str, str]:
    return {**_client(secrets), "refresh_token": secrets.new("refresh")}


_OAUTH = {"type": "oauth2", "provider": "HUNTED", "token_url": "{url}/token"}
CASES = (
    Case("bearer", {"type": "bearer", "provider": "HUNTED"}, lambda s: s.new("key")),
    Case("header", {"type": "header", "header_name": "X-Key", "provider": "HUNTED"}, lambda s: s.new("key")),
    Case("query", {"type": "query", "param_name": "hunted_key", "provider": "HUNTED"}, lambda s: s.new("key")),
    Case("basic", {"type": "basic", "provider": "HUNTED"}, lambda s: f"user:{s.new('key')}"),
    Case("oauth2 client", _OAUTH, _client),
    Case("oauth2 client, basic", {**_OAUTH, "client_auth": "basic"}, _client),
    Case("oauth2 refresh", _OAUTH, _refresh),
    Case("literal header", None, None, lambda s: {"headers": {"Authorization": f"Bearer {s.new('key')}"}}),
    Case("literal parameter", None, None, lambda s: {"params": {"api_key": s.new("key")}}),
    Case("literal form", None, None, lambda s: {"body": {"form": {"client_secret": s.new("key")}}, "safe": True}),
    Case("literal JSON", None, None, lambda s: {"body": {"json": {"auth": {"password": s.new("key")}}}, "safe": True}),
)


def _unpacked(header: str) -> str:
    """What stands behind ``Basic``."""
    try:
        return base64.b64decode(header.removeprefix("Basic "), validate=True).decode()
    except ValueError:
        return ""


LIKE_OTHERS = {"header", "oauth2 client, basic", *(case.name for case in CASES if case.auth is None)}
"""These leave and come back as others do: a third of the scenarios is enough for them."""
FOR_LIKE_OTHERS = (
    "echo", "echo in next links", "404", "500 for ever", "429 for a day", "redirect with a secret in its path",
    "redirect in circles", "cut JSON", "error in a 200", "the same page for ever", "connection refused",
)  # fmt: skip
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
EVERY = [
    pytest.param(case, scenario, id=f"{case}-{scenario}")
    for case in CASES
    for scenario in SCENARIOS
    if ("oauth2" in case.name or not scenario.needs_token)
    and (case.auth is not None or scenario.name in FOR_LIKE_OTHERS)
]
BEARER = CASES[0]
URLS = (
    Case("user info", None, None, lambda s: {"url": f"http://user:{quote(s.new('key'), safe='')}@127.0.0.1/items"}),
    Case("user alone", None, None, lambda s: {"url": f"http://{quote(s.new('key'), safe='')}@127.0.0.1/items"}),
)
DESTINATIONS = (
    "postgresql://me:{password}@127.0.0.1:1/db",
    "postgresql://me@127.0.0.1:1/db?password={password}",
    "postgresql://me@127.0.0.1:1/db?sslpassword={password}&connect_timeout=x",
    "postgresql://me:{raw}@127.0.0.1:1/db",
    "postgresql://me:%zz{raw}@127.0.0.1:1/db",
    "postgresql://me:{password}@[broken/db",
    "mysql://me:{password}@127.0.0.1/db",
    "duckdb://me:{password}@127.0.0.1/db",
    "sqlite://me:{password}@127.0.0.1/db",
    "postgresql://me:12{raw}@127.0.0.1:1/db",
    "postgresql://me:p@{raw}@127.0.0.1:1/db",
)


@pytest.mark.parametrize(("case", "scenario"), EVERY)
def test_nothing_leaks(case: Case, scenario: Scenario, tmp_path: Path) -> None:
    found = hunt(case, scenario, tmp_path)
    assert found.leaks == []
    assert found.status == scenario.ends, found.error
    assert found.values


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_credential_does_go_out_and_come_back(case: Case, tmp_path: Path) -> None:
    found = hunt(case, BY_NAME["404"], tmp_path)
    names = {"oauth2 client": "access1", "oauth2 client, basic": "access1", "oauth2 refresh": "access1"}
    name = names.get(case.name, "key")
    heard = "\n".join(
        part
        for asked in found.asked
        for value in (asked.target, asked.body.decode(), *asked.headers.values())
        for part in (value, unquote_plus(value), _unpacked(value))
    )
    assert found.secrets.holds(name, heard) or json.dumps(found.secrets.values[name])[1:-1] in heard
    assert "***" in found.shown


def test_a_rotated_refresh_token_is_kept_in_the_table_of_tokens_alone(tmp_path: Path) -> None:
    case = next(case for case in CASES if case.name == "oauth2 refresh")
    found = hunt(case, BY_NAME["echo"], tmp_path)
    assert found.leaks == []
    with closing(sqlite3.connect(found.folder / "state" / "state.db")) as connection:
        rows = connection.execute("SELECT token FROM tokens").fetchall()
    assert [json.loads(text)["refresh_token"] for (text,) in rows] == [found.secrets.values["refresh1"]]


@pytest.mark.parametrize("scenario", ["404", "records that are refused", "token refused later"])
@pytest.mark.parametrize("kind", ["duckdb", "postgresql"])
def test_nothing_leaks_into_other_databases(
    kind: str, scenario: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"duckdb:///{tmp_path}/home/hunted.duckdb" if kind == "duckdb" else request.getfixturevalue("postgres_url")
    case = next(case for case in CASES if case.name == "oauth2 refresh")
    found = hunt(case, BY_NAME[scenario], tmp_path, destination=url)
    assert found.leaks == []
    assert found.status == BY_NAME[scenario].ends
    assert found.values


@pytest.mark.parametrize("case", URLS, ids=str)
def test_a_secret_in_the_address_itself(case: Case, tmp_path: Path) -> None:
    found = hunt(case, BY_NAME["echo"], tmp_path)
    assert found.leaks == []
    if "user" in case.name:
        assert "carries a user name" in str(found.error)
        assert not found.asked
    else:
        assert found.status == "done"


def test_a_header_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def config(secrets: Secrets) -> dict[str, object]:
        monkeypatch.setenv("HUNTED_TOKEN", secrets.new("key"))
        return {"headers": {"X-Api-Token": "Token {env.HUNTED_TOKEN}"}}

    found = hunt(Case("environment", None, None, config), BY_NAME["404"], tmp_path)
    assert found.leaks == []
    assert any(found.secrets.holds("key", asked.headers["X-Api-Token"]) for asked in found.asked)


@pytest.mark.parametrize("form", DESTINATIONS)
def test_the_password_of_a_destination(form: str, tmp_path: Path) -> None:
    secrets = Secrets()
    url = form.replace("{password}", quote(secrets.new("password"), safe="")).replace("{raw}", secrets.new("raw"))
    found = hunt(BEARER, BY_NAME["echo"], tmp_path, destination=url, further=secrets)
    assert found.error is not None
    assert found.leaks == []


MEANT = {"bytes": ("404", {"shown", "table items", "table crawl_raw_pages", "table headrace_checkpoints"}),
         "text": ("redirect with a secret in its path", {"shown"})}  # fmt: skip


@pytest.mark.parametrize("what", ["bytes", "text"])
def test_the_hunt_finds_what_is_not_masked(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scenario, places = MEANT[what]
    monkeypatch.setattr(Masker, f"mask_{what}", lambda self, given: (given, 0) if what == "bytes" else given)
    found = hunt(BEARER, BY_NAME[scenario], tmp_path)
    assert places <= {leak.where.partition(",")[0] for leak in found.leaks}
    assert {leak.spelling for leak in found.leaks} == {"plain", "base64"}


def test_every_spelling_is_recognised() -> None:
    for make in (
        lambda text: text, quote, str.upper, json.dumps, lambda text: text.encode().hex(),
        lambda text: base64.b64encode(f"x{text}".encode()).decode(),
        lambda text: base64.urlsafe_b64encode(f"xy{text}z".encode()).decode(),
    ):  # fmt: skip
        secrets = Secrets()
        secrets.search("here", "before " + make(secrets.new("key")) + " after")
        assert [leak.secret for leak in secrets.leaks][:1] == ["key"]
    secrets = Secrets()
    value = secrets.new("key")
    secrets.search("here", b"x" + zstandard.compress(value.encode() * 10))
    assert secrets.leaks
    clean = Secrets()
    clean.new("key")
    clean.search("here", Secrets(1).new("another") + "Zm9v" * 1000)
    assert clean.leaks == []


def test_the_sweep_of_a_folder_reads_names_files_and_state_but_not_tokens(tmp_path: Path) -> None:
    secrets = Secrets()
    value = secrets.new("key")
    with StateStore.open(tmp_path / "state") as store:
        store.put_token("org/name", {"access_token": value})
    sweep_folder(secrets, tmp_path)
    assert secrets.leaks == []
    with StateStore.open(tmp_path / "state") as store:
        store.put_run(RunEntry("r", "p", error=f"refused: {value}"))
    sweep_folder(secrets, tmp_path)
    assert {leak.where for leak in secrets.leaks} == {"state store, table runs"}
    secrets.leaks.clear()
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "one.segment").write_bytes(value.encode())
    sweep_folder(secrets, tmp_path)
    assert any("one.segment" in leak.where for leak in secrets.leaks)
