"""Two organisations on one machine and one database: neither sees, goes on with or overwrites what is the other's."""

from __future__ import annotations

import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import headrace
from headrace import credentials
from headrace.cli._failure import guarded
from headrace.cli.main import cli
from headrace.core.errors import InputError, RunRefused
from headrace.runner.secrets import OrgTokens
from headrace.state.store import StateStore

PLAIN = [{"table": "items", "key": ["id"], "columns": {"id": "id", "echo": "echo"}}]


@pytest.fixture(autouse=True)
def _keys(api: Any, home: Path) -> None:
    api.valid = {"key-of-acme", "key-of-globex"}
    for org in ("acme", "globex"):
        credentials.store(org, "VENDOR", f"key-of-{org}")


def rows(home: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(home / "vendor.db")) as connection:
        return connection.execute(sql).fetchall()


def command(*arguments: str, capfd: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    capfd.readouterr()
    given, facts = list(arguments), dict[str, Any]()
    code = guarded(lambda: cli.main(given, prog_name="headrace", standalone_mode=False, obj=facts), given, facts)
    said = capfd.readouterr()
    return code, said.out, said.err


def test_rows_that_are_keyed_by_organisation_share_a_table(pipeline: Any, home: Path) -> None:
    for org in ("acme", "globex", "acme"):
        assert headrace.run(pipeline(), org=org).status == "done"
    assert rows(home, "SELECT org, id, echo FROM items ORDER BY org, id") == [
        ("acme", 1, "***"), ("acme", 2, "***"), ("globex", 1, "***"), ("globex", 2, "***"),
    ]  # fmt: skip
    assert rows(home, "SELECT count(*) FROM items_removed") == [(0,)]


@pytest.mark.parametrize("flatten", [False, True])
def test_rows_of_the_plain_form_are_keyed_by_organisation_of_themselves(
    pipeline: Any, home: Path, flatten: bool
) -> None:
    config = {
        "tables": [], "destination": {"table": "raw_items", "key_fields": ["id"]}, "transform": {"flatten": flatten},
    }  # fmt: skip
    for org in ("acme", "globex", "acme"):
        assert headrace.run(pipeline(**config), org=org).status == "done"
    assert rows(home, "SELECT org_slug, count(*) FROM raw_items GROUP BY org_slug ORDER BY 1") == [
        ("acme", 2), ("globex", 2),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"tables": PLAIN}, "its key does not tell organisations apart"),
        ({"tables": [{**PLAIN[0], "write": "scd2"}]}, "its key does not tell organisations apart"),
        ({"tables": [{**PLAIN[0], "write": "replace", "key": []}]}, "write: replace is about the whole table"),
        ({"tables": [{**PLAIN[0], "table": "ITEMS"}]}, "its key does not tell organisations apart"),
    ],
)
def test_a_table_in_which_they_would_meet_is_refused(
    pipeline: Any, api: Any, home: Path, change: dict[str, Any], why: str
) -> None:
    headrace.run(pipeline(), org="acme")
    before, asked = rows(home, "SELECT * FROM items"), len(api.heard)
    with pytest.raises(RunRefused, match=why) as caught:
        headrace.run(pipeline(**change), org="globex")
    assert "acme" not in str(caught.value)
    assert "{org_slug}" in caught.value.hint
    assert (rows(home, "SELECT * FROM items"), len(api.heard)) == (before, asked)
    assert rows(home, "SELECT DISTINCT org FROM headrace_runs") == [("acme",)]


def test_whoever_came_first_is_told_as_well(pipeline: Any, home: Path) -> None:
    for org in ("acme", "globex"):
        headrace.run(pipeline(), org=org)
    with pytest.raises(RunRefused, match="its key does not tell"):
        headrace.run(pipeline(tables=PLAIN), org="acme")


def test_a_run_of_another_cannot_be_gone_on_with(pipeline: Any, api: Any, home: Path) -> None:
    file = pipeline()
    assert headrace.run(file, org="acme", run_id="r", max_pages=1).status == "partial"
    before, asked = rows(home, "SELECT * FROM headrace_checkpoints"), len(api.heard)
    for call in (
        lambda: headrace.run(file, org="globex", run_id="r"),
        lambda: headrace.run(file, org="globex", run_id="r", destination="sqlite:///other.db"),
        lambda: headrace.run(file, org="globex", run_id="r", adopt=True),
        lambda: headrace.resume("r", org="globex"),
        lambda: headrace.resume("r", org="globex", destination="sqlite:///vendor.db"),
        lambda: headrace.accept("r", org="globex"),
    ):
        with pytest.raises((RunRefused, InputError)) as caught:
            call()
        assert "acme" not in str(caught.value)
    assert (rows(home, "SELECT * FROM headrace_checkpoints"), len(api.heard)) == (before, asked)
    (home / "state" / "state.db").unlink()  # the destination knows as well
    with pytest.raises(RunRefused):
        headrace.run(file, org="globex", run_id="r")
    with pytest.raises(InputError, match="has no run"):
        headrace.resume("r", org="globex", destination="sqlite:///vendor.db")
    credentials.store("acme", "VENDOR", "key-of-acme")
    assert headrace.resume("r", org="acme", destination="sqlite:///vendor.db").status == "done"


def test_answers_that_are_kept_are_not_another_organisations(pipeline: Any, api: Any, home: Path) -> None:
    """The same run id, the same requests: the state that knew whose run it was is gone, the kept answers are not."""
    file = pipeline()
    api.valid = {"key-of-globex"}
    with pytest.raises(headrace.HeadraceError):
        headrace.run(file, org="acme", run_id="r")
    api.valid.add("key-of-acme")
    headrace.run(file, org="acme", run_id="r", max_pages=1)
    (home / "state" / "state.db").unlink()
    (home / "vendor.db").unlink()
    with pytest.raises(headrace.HeadraceError, match="offline"):
        headrace.run(file, org="globex", run_id="r", offline=True)


def test_commands_know_only_ones_own_runs(
    pipeline: Any, home: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = pipeline()
    headrace.run(file, org="acme", run_id="of-acme", max_pages=1)
    headrace.run(file, org="globex", run_id="of-globex")
    url = ("--destination", "sqlite:///vendor.db")
    monkeypatch.setenv("HEADRACE_ORG", "globex")
    for arguments in (
        ("status", "of-acme"), ("status", "of-acme", *url), ("resume", "of-acme"), ("resume", "of-acme", *url),
        ("accept", "of-acme"), ("raw", "of-acme", "--page", "1"), ("raw", "of-acme", "--page", "1", *url),
        ("replay", "of-acme", *url), ("replay", "vendor", *url), ("replay", "items", *url),
        ("purge", "--run", "of-acme", "--yes"), ("purge", "--run", "of-acme", "--yes", *url),
        ("removals", "confirm", "items", "of-acme", *url), ("why", "items", "org=acme", "id=1", *url),
    ):  # fmt: skip
        code, out, err = command(*arguments, capfd=capfd)
        assert (arguments, code, out) == (arguments, 2, "")
        assert "globex" in err
        assert "Error" not in err
    for arguments in (("runs", "--json"), ("runs", "--json", *url)):
        found = json.loads(command(*arguments, capfd=capfd)[1])["runs"]
        assert [run["run_id"] for run in found] == ["of-globex"]
    assert "of-globex" in command("status", capfd=capfd)[1]
    code, out, _ = command("status", "of-acme", "--org", "acme", "--json", capfd=capfd)
    assert (code, json.loads(out)["org"]) == (0, "acme")
    monkeypatch.delenv("HEADRACE_ORG")
    assert len(json.loads(command("runs", "--json", capfd=capfd)[1])["runs"]) == 2
    assert command("resume", "of-acme", capfd=capfd)[0] == 0


@pytest.mark.parametrize("org", ["a/b", "../x", "", "a b", "acme\n"])
def test_what_is_no_name_is_refused_everywhere(
    pipeline: Any, org: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = pipeline()
    if org:
        with pytest.raises(InputError, match="is not the name of an organisation"):
            headrace.run(file, org=org)
        assert command("runs", "--org", org, capfd=capfd)[0] == 2
        monkeypatch.setenv("HEADRACE_ORG", org)
        with pytest.raises(InputError, match="is not the name of an organisation"):
            headrace.run(file)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a-value")))
    code, _, err = command("credentials", "set", org, "VENDOR", "--any-host", capfd=capfd)
    assert (code, "is not the name of an organisation" in err) == (2, True)


def test_a_scope_and_a_mark_of_one_are_not_the_others(pipeline: Any, api: Any, home: Path) -> None:
    file = pipeline(incremental={"param": "since", "cursor_path": "id", "start": "0"})
    for org in ("acme", "globex"):
        headrace.run(file, org=org, scope="same")
    since = [path for path, key in api.heard if key == "key-of-globex" and "page=" not in path]
    assert ["since=0" in path for path in since] == [True]


def test_tokens_are_kept_apart(home: Path) -> None:
    name = "oauth2/VENDOR/x"
    with StateStore.open() as store:
        acme, globex = (OrgTokens(store, org, None) for org in ("acme", "globex"))
        acme.put_token(name, {"access_token": "of-acme"})
        assert globex.get_token(name) is None
        assert acme.take_turn(name, "one")
        assert globex.take_turn(name, "another"), "one organisation's renewal holds up no other"
        assert not acme.take_turn(name, "a third")
        globex.put_token(name, {"access_token": "of-globex"})
        credentials.remove("globex", "VENDOR")
        assert acme.get_token(name) == {"access_token": "of-acme"}
