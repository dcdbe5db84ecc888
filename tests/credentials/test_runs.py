"""Runs with stored credentials: which they find, where they send it, and what a decrypting step leaves behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import headrace
from headrace import credentials
from headrace.core.errors import AuthRefused, CredentialUnreadable, HostRefused, KeyUnavailable, OriginRefused
from headrace.runner.secrets import OrgTokens
from headrace.secrets.vault import Vault
from headrace.state.store import StateStore

DECRYPT = {
    "step": "decrypt",
    "processor": "integrations.kms_decrypt",
    "config": {"provider": "VENDOR", "context_key": "vendor_key"},
}


def kept(home: Path) -> bytes:
    """All that lies in the folder, but the key."""
    return b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file() and path.name != "credentials.key")


def test_a_run_finds_the_credential_of_its_organisation(pipeline: Any, api: Any, home: Path) -> None:
    credentials.store("acme", "Vendor", "key-number-one")
    credentials.store("globex", "VENDOR", "key-of-globex")
    assert headrace.run(pipeline(), org="acme").status == "done"
    with pytest.raises(AuthRefused):
        headrace.run(pipeline(), org="globex")
    assert [key for _, key in api.heard] == ["key-number-one", "key-number-one", "key-of-globex"]
    assert b"key-number-one" not in kept(home)
    assert b"key-of-globex" not in kept(home)


def test_the_runs_own_secret_comes_first_and_the_environment_last(
    pipeline: Any, api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.valid = {"stored", "of-the-run", "of-the-environment"}
    monkeypatch.setenv("VENDOR_API_KEY", "of-the-environment")
    headrace.run(pipeline(), org="acme")
    credentials.store("acme", "VENDOR", "stored")
    headrace.run(pipeline(), org="acme")
    headrace.run(pipeline(), org="acme", secrets={"vendor": "of-the-run"})
    assert list(dict.fromkeys(key for _, key in api.heard)) == ["of-the-environment", "stored", "of-the-run"]


def test_one_that_cannot_be_opened_does_not_give_way_to_the_environment(
    pipeline: Any, api: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VENDOR_API_KEY", "key-number-one")
    credentials.store("acme", "VENDOR", "stored")
    key = home / "config/headrace/credentials.key"
    key.rename(home / "lost")
    with pytest.raises(KeyUnavailable, match=r"credential VENDOR of organisation 'acme' cannot be opened: .*missing"):
        headrace.run(pipeline(), org="acme")
    key.write_text("00" * 32)
    key.chmod(0o600)
    with pytest.raises(CredentialUnreadable, match="another key: local:"):
        headrace.run(pipeline(), org="acme")
    assert api.heard == []


@pytest.mark.parametrize(
    "hosts", [["api.vendor.example"], ["https://127.0.0.1"], ["127.0.0.1:1"], ["*.vendor.example"]]
)
def test_to_a_host_that_it_does_not_name_it_is_not_sent(pipeline: Any, api: Any, hosts: list[str]) -> None:
    credentials.store("acme", "VENDOR", "key-number-one", hosts=hosts)
    with pytest.raises(HostRefused) as caught:
        headrace.run(pipeline(), org="acme")
    assert api.url in str(caught.value)
    assert hosts[0] in str(caught.value)
    assert api.heard == []


def test_a_redirect_takes_it_nowhere_else(pipeline: Any, api: Any) -> None:
    credentials.store("acme", "VENDOR", "key-number-one", hosts=["127.0.0.1"])
    away = {"url": f"{api.url}/away", "pagination": {"type": "none"}}
    with pytest.raises(OriginRefused):
        headrace.run(pipeline(**away), org="acme")
    headrace.run(pipeline(**away, allowed_hosts=[api.elsewhere]), org="acme")
    assert api.heard == [("/away", "key-number-one"), ("/away", "key-number-one"), ("/open", "")]


def test_a_rewrite_takes_it_to_this_machine_or_to_its_own_hosts(pipeline: Any, api: Any) -> None:
    file = pipeline(url="https://api.vendor.example/items")
    credentials.store("acme", "VENDOR", "key-number-one", hosts=["api.vendor.example", "sandbox.vendor.example"])
    assert headrace.run(file, org="acme", rewrite={"api.vendor.example": api.url}).status == "done"
    with pytest.raises(
        HostRefused, match=r"--rewrite would take the credential of https://api.vendor.example to https://x"
    ):
        headrace.run(file, org="acme", rewrite={"api.vendor.example": "https://x.invalid"})
    elsewhere = pipeline(url="https://other.example/items", name="other.yml")
    with pytest.raises(HostRefused, match=r"may not be sent to https://other.example"):
        headrace.run(elsewhere, org="acme", rewrite={"other.example": api.url})
    assert {key for _, key in api.heard} == {"key-number-one"}


def test_hosts_hold_for_a_token_server_too(pipeline: Any, api: Any) -> None:
    auth = {"type": "oauth2", "provider": "VENDOR", "token_url": "https://evil.invalid/token"}
    members = {"client_id": "me", "client_secret": "a-client-secret"}
    credentials.store("acme", "VENDOR", members, hosts=["127.0.0.1"])
    with pytest.raises(HostRefused, match=r"may not be sent to https://evil.invalid"):
        headrace.run(pipeline(auth=auth), org="acme")
    assert api.heard == []


def test_a_step_decrypts_for_the_steps_after_it(pipeline: Any, api: Any, home: Path) -> None:
    credentials.store("acme", "VENDOR", "key-number-one", hosts=["127.0.0.1"])
    for auth in ({"type": "bearer", "secret_key": "vendor_key"}, {"type": "bearer", "provider": "VENDOR"}):
        result = headrace.run(pipeline(DECRYPT, auth=auth), org="acme")
        assert [(step.step, step.status) for step in result.steps] == [("decrypt", "done"), ("extract", "done")]
    assert {key for _, key in api.heard} == {"key-number-one"}
    assert b"key-number-one" not in kept(home)


def test_a_decrypted_secret_keeps_its_hosts(pipeline: Any, api: Any) -> None:
    credentials.store("acme", "VENDOR", "key-number-one", hosts=["api.vendor.example"])
    with pytest.raises(HostRefused):
        headrace.run(pipeline(DECRYPT, auth={"type": "bearer", "secret_key": "vendor_key"}), org="acme")
    assert api.heard == []


def test_what_was_decrypted_is_decrypted_again(pipeline: Any, api: Any) -> None:
    """When it is resumed, from another step, and when one step alone is chosen."""
    credentials.store("acme", "VENDOR", "key-number-one")
    file = pipeline(DECRYPT, auth={"type": "bearer", "secret_key": "vendor_key"})
    assert headrace.run(file, org="acme", run_id="r", max_pages=1).status == "partial"
    api.valid = {"key-number-two"}
    credentials.rotate("acme", "VENDOR", "key-number-two")
    assert headrace.resume("r").status == "done"
    assert [key for _, key in api.heard] == ["key-number-one", "key-number-two"]
    assert headrace.run(file, org="acme", from_step="extract").status == "done"
    assert headrace.run(file, org="acme", steps=["extract"]).status == "done"


def test_offline_nothing_is_decrypted(pipeline: Any, api: Any, home: Path) -> None:
    credentials.store("acme", "VENDOR", "key-number-one")
    file = pipeline(DECRYPT)
    headrace.run(file, org="acme", run_id="r", max_pages=1)
    (home / "config/headrace/credentials.key").unlink()
    with pytest.raises(headrace.HeadraceError, match="offline"):
        headrace.run(file, org="acme", run_id="r", offline=True)


def test_tokens_of_a_stored_credential_are_sealed(home: Path) -> None:
    token = {"access_token": "an-access-token", "refresh_token": "a-rotated-refresh-token", "renew_at": 5}
    name = "oauth2/Vendor/0123"
    with StateStore.open() as store:
        vault = Vault(store.credentials)
        vault.store("acme", "VENDOR", "first")
        OrgTokens(store, "acme", vault).put_token("oauth2/VENDOR/plain", token)  # no credential is opened yet
        vault.find("acme", "VENDOR")
        tokens = OrgTokens(store, "acme", vault)
        tokens.put_token(name, token)
        assert tokens.get_token(name) == token
        assert list(store.get_token(f"acme/{name}") or {}) == ["sealed"]
        assert tokens.get_token("oauth2/VENDOR/plain") == token

        later = Vault(store.credentials)
        assert OrgTokens(store, "acme", later).get_token(name) is None
        later.find("acme", "VENDOR")
        assert OrgTokens(store, "acme", later).get_token(name) == token
        moved = store.get_token(f"acme/{name}")
        store.put_token("acme/oauth2/VENDOR/other", moved)
        assert OrgTokens(store, "acme", later).get_token("oauth2/VENDOR/other") is None

        vault.store("acme", "VENDOR", "second")
        vault.find("acme", "VENDOR")
        assert OrgTokens(store, "acme", vault).get_token(name) is None  # of the credential before
        store.put_token("acme2/oauth2/VENDOR/x", token)
    credentials.remove("acme", "vendor")
    with StateStore.open() as store:
        assert store.get_token(f"acme/{name}") is None
        assert store.get_token("acme2/oauth2/VENDOR/x") == token
