"""Marked secrets through every auth kind and every failure: nothing written or shown may hold one."""

from __future__ import annotations

import base64
import json
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, unquote_plus

import pytest
import zstandard

import headrace
from headrace import credentials
from headrace.core.contracts import Auth
from headrace.core.kinds import menu
from headrace.secrets.mask import Masker
from headrace.secrets.vault import Vault
from headrace.state.contract import RunEntry
from headrace.state.store import StateStore
from headrace.testing.secrets import (
    SCENARIOS,
    Case,
    HostileApi,
    Reply,
    Scenario,
    Secrets,
    hunt,
    sweep_database,
    sweep_folder,
)
from headrace.testing.secrets.hunt import pipeline


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


_DECRYPT = {
    "step": "decrypt",
    "processor": "integrations.kms_decrypt",
    "config": {"provider": "HUNTED", "context_key": "hunted_key"},
}
STORED = (
    Case("stored", {"type": "bearer", "provider": "HUNTED"}, lambda s: s.new("key"), stored=True),
    Case("stored oauth2", _OAUTH, _refresh, stored=True),
    Case(
        "decrypted",
        {"type": "bearer", "secret_key": "hunted_key"},
        lambda s: s.new("key"),
        stored=True,
        before=(_DECRYPT,),
    ),
    Case(
        "decrypted oauth2",
        {**_OAUTH, "provider": None, "secret_key": "hunted_key"},
        _refresh,
        stored=True,
        before=(_DECRYPT,),
    ),
)
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


@pytest.mark.parametrize("scenario", ["echo", "404", "redirect with a secret in its path", "token refused later"])
@pytest.mark.parametrize("case", STORED, ids=str)
def test_a_stored_credential_leaks_nowhere_not_even_into_the_state(case: Case, scenario: str, tmp_path: Path) -> None:
    if scenario == "token refused later" and "oauth2" not in case.name:
        scenario = "401"
    found = hunt(case, BY_NAME[scenario], tmp_path)
    assert found.leaks == []
    assert found.status == BY_NAME[scenario].ends, found.error
    name = "access1" if "oauth2" in case.name else "key"
    assert any(found.secrets.holds(name, asked.headers.get("Authorization", "")) for asked in found.asked)


def test_the_hunt_finds_a_token_that_is_not_sealed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Vault, "seal_token", lambda *_: None)
    found = hunt(STORED[1], BY_NAME["echo"], tmp_path)
    assert {leak.where.partition("-")[0] for leak in found.leaks} == {"file state/state.db"}


def test_what_was_decrypted_before_a_kill_is_on_no_disk_and_decrypted_again(tmp_path: Path) -> None:
    """A process is killed in the middle of its crawl; what it left is searched, and another goes on."""
    secrets = Secrets()
    home = tmp_path / "home"
    home.mkdir()
    credentials.store("default", "HUNTED", secrets.new("key"), state=home / "state")
    held = Scenario(
        "holds the second page", lambda api, asked: api.page(asked) if asked.number == 1 else Reply(silent=True)
    )
    with HostileApi(secrets, held).serving() as api:
        document = pipeline(STORED[2], held, secrets, api.url)
        document["steps"][-1]["config"]["commit_every"] = 0.01
        file = tmp_path / "hunted.yml"
        file.write_text(json.dumps(document), encoding="utf-8")
        url = f"sqlite:///{home}/hunted.sqlite"
        program = (
            f"import headrace, pathlib; headrace.run({str(file)!r}, destination={url!r}, run_id='hunted', "
            f"state=pathlib.Path({str(home / 'state')!r}))"
        )
        child = subprocess.Popen([sys.executable, "-c", program])
        try:
            end = time.monotonic() + 60
            while len(api.asked) < 2 and time.monotonic() < end and child.poll() is None:
                time.sleep(0.01)
        finally:
            child.kill()
            child.wait(60)
        assert len(api.asked) >= 2
        sweep_folder(secrets, home, tokens=True)
        assert secrets.leaks == []
        api.scenario = BY_NAME["echo"]
        assert headrace.resume("hunted", destination=url, state=home / "state").status == "done"
        assert secrets.holds("key", api.asked[-1].headers["Authorization"])
    sweep_database(secrets, url)
    sweep_folder(secrets, home, tokens=True)
    assert secrets.leaks == []


def test_every_auth_kind_is_hunted() -> None:
    hunted = {str(case.auth["type"]) for case in CASES if case.auth is not None}
    assert hunted | {"none"} == set(menu("headrace.sources.auth", Auth))


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
