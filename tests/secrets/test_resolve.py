"""The lookup order of credentials, and what is said when nothing is found."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from headrace.core.contracts import CredentialRef, Secret
from headrace.core.errors import InputError, SecretMissing
from headrace.secrets.files import read_secrets
from headrace.secrets.resolve import resolve

HUBSPOT = CredentialRef("HUBSPOT", "my-key")


def find(ref: CredentialRef = HUBSPOT, **given: Any) -> Secret:
    options: dict[str, Any] = {"org": "acme", "run_secrets": {}, "environ": {}, **given}
    return resolve(ref, **options)


def private(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


def test_the_whole_order(tmp_path: Path) -> None:
    """Every place holds another value; taking the winner away gives the next one."""
    pointed = private(tmp_path / "pointed", "from-pointed\n")
    listed = private(tmp_path / "listed", "HUBSPOT_API_KEY=from-listed\n")
    named = private(tmp_path / "named.toml", "my-key = 'from-named'\n")
    run_secrets = {
        "hubspot": "from-provider",
        "hubspot_api_key": "from-api-key",
        "hubspot_credential": "from-credential",
        "my-key": "from-secret-key",
    }
    environ = {
        "HUBSPOT_API_KEY": "from-env-api-key",
        "HUBSPOT_CREDENTIAL": "from-env-credential",
        "MY_KEY": "from-env-secret-key",
        "HUBSPOT_API_KEY_FILE": str(pointed),
        "HEADRACE_SECRETS": str(named),
    }
    kept = {"HUBSPOT": "from-stored"}
    files = [listed]

    def value(**more: Any) -> str:
        return find(
            run_secrets=run_secrets,
            environ=environ,
            stored=lambda org, provider: kept.get(provider) if org == "acme" else None,
            files=files,
            prompt=lambda text: "from-prompt",
            **more,
        ).value

    assert value() == "from-provider"
    del run_secrets["hubspot"]
    assert value() == "from-api-key"
    del run_secrets["hubspot_api_key"]
    assert value() == "from-credential"
    del run_secrets["hubspot_credential"]
    assert value() == "from-stored"
    kept.clear()
    assert value() == "from-secret-key"
    run_secrets.clear()
    with pytest.raises(SecretMissing):
        value(trust_environment=False)
    assert value() == "from-env-api-key"
    environ["HUBSPOT_API_KEY"] = ""
    assert value() == "from-env-credential"
    environ["HUBSPOT_CREDENTIAL"] = "  "
    assert value() == "from-env-secret-key"
    del environ["MY_KEY"]
    assert value() == "from-pointed"
    del environ["HUBSPOT_API_KEY_FILE"]
    assert value() == "from-listed"
    files.clear()
    assert value() == "from-named"
    del environ["HEADRACE_SECRETS"]
    assert value() == "from-prompt"


@pytest.mark.parametrize("name", ["HUBSPOT", "hubspot", "HubSpot_Api_Key", "hubspot_CREDENTIAL"])
@pytest.mark.parametrize("provider", ["hubspot", "HubSpot"])
def test_names_match_in_any_case(name: str, provider: str) -> None:
    assert find(CredentialRef(provider), run_secrets={name: "x"}).value == "x"


def test_an_exact_name_comes_first() -> None:
    assert find(CredentialRef(None, "Key"), run_secrets={"KEY": "b", "Key": "a"}).value == "a"


def test_a_provider_that_is_no_variable_name() -> None:
    assert find(CredentialRef("my.api-2"), environ={"MY_API_2_API_KEY": "x"}).value == "x"


@pytest.mark.parametrize("as_text", [True, False])
@pytest.mark.parametrize(
    ("members", "value"),
    [
        ({"token": "t", "api_key": "k", "access_token": "a"}, "k"),
        ({"token": "t", "access_token": "a"}, "t"),
        ({"access_token": "a", "api_key": ""}, "a"),
        ({"client_id": "i", "client_secret": "s"}, ""),
    ],
)
def test_json_credentials(members: dict[str, str], value: str, as_text: bool) -> None:
    found = find(run_secrets={"hubspot": json.dumps(members) if as_text else members})
    assert found.value == value
    assert found.fields == {name: member for name, member in members.items() if member}


def test_members_become_text() -> None:
    found = find(run_secrets={"hubspot": {"api_key": 123456, "n": None, "flag": True, "list": ["é"]}})
    assert found == Secret("123456", {"api_key": "123456", "flag": "true", "list": '["é"]'})


@pytest.mark.parametrize("nothing", ["", "  \n", None, "{}", {}, {"api_key": ""}, '{"api_key": null}'])
def test_nothing_in_it_is_not_found(nothing: Any) -> None:
    assert find(run_secrets={"hubspot": nothing, "hubspot_api_key": "next"}).value == "next"


def test_a_token_may_begin_with_a_brace() -> None:
    assert find(run_secrets={"hubspot": "{not json"}).value == "{not json"


def test_not_found_says_where_and_what_to_write(tmp_path: Path) -> None:
    file = private(tmp_path / "s.env", "OTHER=not-shown-anywhere\n")
    with pytest.raises(SecretMissing) as caught:
        find(
            run_secrets={"hubspot_api_key": "", "unrelated": "not-shown-anywhere"},
            environ={"HUBSPOT_CREDENTIAL": "", "SECRET": "not-shown-anywhere"},
            stored=lambda org, provider: None,
            files=[file],
        )
    assert str(caught.value) == (
        "no credential for provider HUBSPOT; looked for, in this order:\n"
        "  1. the run's secrets: HUBSPOT, HUBSPOT_api_key (empty), HUBSPOT_credential\n"
        "  2. the stored credentials of organisation 'acme': HUBSPOT\n"
        "  3. the run's secrets: my-key\n"
        "  4. the environment: HUBSPOT_API_KEY, HUBSPOT_CREDENTIAL (empty), MY_KEY\n"
        "  5. what HUBSPOT_API_KEY_REF refers to: not set\n"
        "  6. the file that HUBSPOT_API_KEY_FILE names: not set\n"
        f"  7. the secrets file {file}: HUBSPOT, HUBSPOT_api_key, HUBSPOT_credential, my-key, HUBSPOT_API_KEY,"
        " HUBSPOT_CREDENTIAL, MY_KEY\n"
        "  8. a prompt: no terminal\n"
        "  write: export HUBSPOT_API_KEY=..."
    )


def test_a_run_over_http_never_looks_around(tmp_path: Path) -> None:
    def prompt(text: str) -> str:
        raise AssertionError("asked")

    with pytest.raises(SecretMissing) as caught:
        find(
            environ={"HUBSPOT_API_KEY": "x", "HEADRACE_SECRETS": str(tmp_path / "missing")},
            files=[tmp_path / "missing"],
            prompt=prompt,
            trust_environment=False,
        )
    assert "environment" not in str(caught.value)
    assert "export" not in str(caught.value)
    assert "organisation 'acme'" in caught.value.hint


def test_only_a_secret_key() -> None:
    with pytest.raises(SecretMissing, match="secret_key shop-token") as caught:
        find(CredentialRef(None, "shop-token"))
    assert caught.value.hint == "write: export SHOP_TOKEN=..."
    assert find(CredentialRef(None, "shop-token"), environ={"SHOP_TOKEN": "x"}).value == "x"


def test_no_name_at_all() -> None:
    with pytest.raises(SecretMissing, match="no name"):
        find(CredentialRef(), prompt=lambda text: "x")


@pytest.mark.parametrize("entered", [None, "", "  "])
def test_nothing_entered_at_the_prompt(entered: str | None) -> None:
    asked: list[str] = []

    def prompt(text: str) -> str | None:
        asked.append(text)
        return entered

    with pytest.raises(SecretMissing, match="nothing was entered"):
        find(prompt=prompt)
    assert asked == ["Credential for HUBSPOT: "]


@pytest.mark.parametrize("variable", ["HUBSPOT_API_KEY_FILE", "HEADRACE_SECRETS"])
def test_a_named_file_that_cannot_be_read(tmp_path: Path, variable: str) -> None:
    with pytest.raises(InputError, match="No such file") as caught:
        find(environ={variable: str(tmp_path / "missing")})
    assert str(tmp_path / "missing") in str(caught.value)


@pytest.mark.parametrize(("mode", "expected"), [(0o600, 0), (0o400, 0), (0o640, 1), (0o604, 1)])
def test_a_file_that_others_may_read_is_told(tmp_path: Path, mode: int, expected: int) -> None:
    file = private(tmp_path / "s.env", "HUBSPOT=x\n")
    file.chmod(mode)
    warnings: list[str] = []
    assert find(files=[file], warn=warnings.append).value == "x"
    assert len(warnings) == expected
    assert all(f"chmod 600 {file}" in warning and "=x" not in warning for warning in warnings)


def test_lines_of_a_secrets_file(tmp_path: Path) -> None:
    file = private(
        tmp_path / "s.env",
        '\ufeffA=1\n# comment\n\nexport B = two # comment\nC=\'three # 3\' # c\nD="f=o=ur"\nE=a#b\nF={"api_key": "x"}\nG=\n',
    )
    assert read_secrets(file) == {
        "A": "1", "B": "two", "C": "three # 3", "D": "f=o=ur", "E": "a#b", "F": '{"api_key": "x"}', "G": "",
    }  # fmt: skip


def test_a_table_of_a_toml_file_is_a_credential(tmp_path: Path) -> None:
    file = private(tmp_path / "s.toml", "[hubspot]\nclient_id = 'i'\nclient_secret = 's'\n")
    assert find(files=[file]).fields == {"client_id": "i", "client_secret": "s"}


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("s.env", "A=1\nhidden-value\n", ":2"),
        ("s.env", "A='hidden-value\n", ":1"),
        ("s.env", "A='hidden-value' hidden-value\n", ":1"),
        ("s.toml", "A = hidden-value\n", "line 1"),
    ],
)
def test_a_bad_secrets_file_is_named_by_line_without_values(tmp_path: Path, name: str, text: str, place: str) -> None:
    file = private(tmp_path / name, text)
    with pytest.raises(InputError) as caught:
        read_secrets(file)
    assert str(file) in str(caught.value)
    assert place in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    file = tmp_path / "s.env"
    file.write_bytes(os.urandom(16) + b"\xff\xfe")
    with pytest.raises(InputError, match="UTF-8"):
        read_secrets(file)


def test_a_secret_shows_nothing_of_itself() -> None:
    found = find(run_secrets={"hubspot": {"api_key": "hidden-value", "x": "hidden-value"}})
    assert "hidden" not in f"{found!r} {found}"
