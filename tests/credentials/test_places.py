"""Hosts, references, and the state file of an earlier version."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import headrace
from headrace.core.contracts import CredentialRef
from headrace.core.errors import InputError, SecretMissing, StateError
from headrace.core.hosts import host_rules, may_go
from headrace.secrets.references import names, read_reference
from headrace.secrets.resolve import resolve
from headrace.secrets.vault import Vault
from headrace.state import schema
from headrace.state.contract import RunEntry
from headrace.state.store import StateStore


@pytest.mark.parametrize(
    ("host", "goes", "does_not"),
    [
        (
            "api.example.com",
            ["https://api.example.com/x", "https://API.example.com:443/", "https://api.example.com./"],
            ["http://api.example.com/", "https://api.example.com:8443/", "https://example.com/", "https://x.api.example.com/",
             "https://api.example.com.evil.test/", "https://api.example.com@evil.test/", "https://evil.test/api.example.com",
             "ftp://api.example.com/", "https://[broken/", "api.example.com"],
        ),
        ("api.example.com:8443", ["https://api.example.com:8443/"], ["https://api.example.com/"]),
        ("http://api.example.com", ["http://api.example.com/"], ["https://api.example.com/", "http://api.example.com:81/"]),
        ("*.example.com", ["https://a.example.com/", "https://a.b.example.com/"],
         ["https://example.com/", "https://badexample.com/", "http://a.example.com/"]),
        ("127.0.0.1", ["http://127.0.0.1:8642/", "https://127.0.0.1/"], ["http://127.0.0.2/", "http://localhost/"]),
        ("localhost:80", ["http://localhost/"], ["http://localhost:8080/"]),
        ("[::1]", ["http://[::1]:8642/"], ["http://127.0.0.1/"]),
        ("https://127.0.0.1", ["https://127.0.0.1:9/"], ["http://127.0.0.1/"]),
    ],
)  # fmt: skip
def test_a_host_says_where(host: str, goes: list[str], does_not: list[str]) -> None:
    rules = host_rules([host])
    assert [url for url in goes if not may_go(url, rules)] == []
    assert [url for url in does_not if may_go(url, rules)] == []
    assert all(may_go(url, host_rules([])) for url in goes)


@pytest.mark.parametrize(
    "text", ["", "*", "*.com", "https://", "a.example/path", "user@a.example", "ftp://a.example", "a.*.example", "a:b"]
)
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not a host"):
        host_rules([text])


def test_references_to_the_environment_and_to_files(tmp_path: Path) -> None:
    assert names() == ["aws", "env", "file", "google"]
    file = tmp_path / "token.json"
    file.write_text('{"api_key": "in-the-file", "nested": {"a": 1}}\n')
    file.chmod(0o600)
    assert read_reference("env:TOKEN", {"TOKEN": "in-the-environment"}) == "in-the-environment"
    assert read_reference(f"file:{file}#api_key", {}) == "in-the-file"
    assert read_reference(f"file:{file}#nested", {}) == '{"a": 1}'
    with pytest.raises(SecretMissing, match="TOKEN is not set"):
        read_reference("env:TOKEN", {})
    with pytest.raises(SecretMissing, match="no member 'x'") as caught:
        read_reference(f"file:{file}#x", {})
    assert "in-the-file" not in str(caught.value)
    with pytest.raises(InputError, match="cannot read"):
        read_reference(f"file:{tmp_path}/missing", {})
    (tmp_path / "empty").write_text(" \n")
    with pytest.raises(SecretMissing, match="empty"):
        read_reference(f"file:{tmp_path}/empty", {})
    for text in ("aws", "awss:x", "", ":", "env:", "#x"):
        with pytest.raises(InputError, match="names no secret"):
            read_reference(text, {})
    warned: list[str] = []
    file.chmod(0o644)
    read_reference(f"file:{file}", {}, warned.append)
    assert "chmod 600" in warned[0]


def test_where_a_reference_stands_in_the_order() -> None:
    environ = {
        "A_API_KEY": "variable",
        "A_API_KEY_REF": "env:REFERRED",
        "REFERRED": "referred",
        "B_API_KEY_REF": "env:REFERRED",
    }

    def found(ref: CredentialRef, **given: Any) -> str:
        return resolve(ref, org="acme", run_secrets={}, environ=environ, **given).value

    assert found(CredentialRef("B")) == "referred"
    assert found(CredentialRef("A")) == "variable"
    assert found(CredentialRef("A", reference="env:REFERRED")) == "referred"
    assert found(CredentialRef("A", reference="env:REFERRED"), stored=lambda org, provider: "stored") == "stored"
    assert found(CredentialRef(reference="env:REFERRED")) == "referred"
    for ref in (
        CredentialRef("B"),
        CredentialRef("A", reference="env:REFERRED"),
        CredentialRef(reference="env:REFERRED"),
    ):
        with pytest.raises(SecretMissing) as caught:
            found(ref, trust_environment=False)
        assert caught.value.hint


def test_a_file_names_a_reference_with_variables(pipeline: Any, api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_OF_PROD", "key-number-one")
    file = pipeline(auth={"type": "bearer", "secret_ref": "env:TOKEN_OF_{stage}"})
    assert headrace.run(file, params={"stage": "PROD"}).status == "done"
    assert {key for _, key in api.heard} == {"key-number-one"}
    with pytest.raises(SecretMissing, match="TOKEN_OF_DEV is not set"):
        headrace.run(file, params={"stage": "DEV"})


def test_a_state_file_of_the_version_before_gets_the_new_tables(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    with closing(sqlite3.connect(folder / "state.db")) as connection:
        connection.executescript(schema._STEPS[0])
        connection.execute("INSERT INTO schema_version VALUES (1)")
        connection.execute("INSERT INTO tokens VALUES ('t', '{\"a\": 1}', 5)")
        connection.commit()
    with StateStore.open(folder) as store:
        assert store.get_token("t") == {"a": 1}
        Vault(store.credentials).store("acme", "VENDOR", "value")
    with StateStore.open(folder) as store:
        assert Vault(store.credentials).find("acme", "VENDOR") is not None
    with closing(sqlite3.connect(folder / "state.db")) as connection:
        assert connection.execute("SELECT version FROM schema_version").fetchall() == [(schema.VERSION,)]


def test_what_cannot_be_kept_is_said(tmp_path: Path) -> None:
    """Unlike a run's progress, a credential that is not kept must not look kept."""
    with StateStore.open(tmp_path / "state") as store:
        with closing(sqlite3.connect(tmp_path / "state" / "state.db")) as connection:
            connection.execute("DROP TABLE org_integration_credentials")
            connection.commit()
        with pytest.raises(StateError, match="org_integration_credentials"):
            Vault(store.credentials).store("acme", "VENDOR", "value")


def test_a_run_goes_on_when_the_state_cannot_be_read(
    pipeline: Any, api: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with StateStore.open(), closing(sqlite3.connect(home / "state" / "state.db")) as connection:
        connection.execute("DROP TABLE org_integration_credentials")
        connection.commit()
    monkeypatch.setenv("VENDOR_API_KEY", "key-number-one")
    assert headrace.run(pipeline()).status == "done"


def test_runs_are_listed_by_organisation(tmp_path: Path) -> None:
    with StateStore.open(tmp_path) as store:
        for number, org in enumerate(("acme", "globex", "acme")):
            store.put_run(RunEntry(f"r{number}", "p", org, started_at=number + 1))
        assert [run.run_id for run in store.runs(org="acme")] == ["r2", "r0"]
        assert [run.run_id for run in store.runs(org="acme", limit=1, pipeline="p")] == ["r2"]
        assert store.runs(org="initech") == []
