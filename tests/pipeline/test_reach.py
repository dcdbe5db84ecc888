"""A pipeline file is held against what whoever runs it allows, with the place of what is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headrace.core.errors import NotAllowed, PipelineFileError
from headrace.core.trust import EVERYTHING, Trust
from headrace.pipeline.load import Draft, load, parse
from headrace.pipeline.reach import check_reach

NOTHING = Trust(allowed_hosts=(), allowed_env=frozenset(), allowed_folders=(), allow_sql=False, own_destination=False)

REACHING = """pipeline_id: reaching
environment_variable: AWS_SECRET_ACCESS_KEY
environments:
  dev: {place: "{env.PLACE}"}
inputs: {name: {default: x}}
source:
  base_url: http://169.254.169.254
steps:
  - step: a
    processor: generic.api_extractor
    config:
      url: /latest/{place}
      headers: {X-Home: "{env.HOME}"}
      slices: {rows: SELECT id FROM secrets}
      destination: {table: a}
  - step: b
    processor: generic.api_extractor
    config:
      base_url: https://api.example.com
      url: /{name}
      auth: {type: oauth2, provider: P, token_url: "http://localhost:9/token"}
      destination: {table: b}
  - step: c
    processor: generic.quality_checks
    config:
      checks:
        - {type: sql, name: free, sql: SELECT 1 WHERE 1 = 0}
        - {type: not_null, table: a, column: org_slug}
  - step: d
    processor: generic.sql_transformer
    config: {dialect: duckdb, sql_template: "SELECT 1 AS n"}
"""


def problems(text: str, trust: Trust, name: str = "f.yml") -> list[str]:
    try:
        parse(text, name, trust)
    except PipelineFileError as error:
        return error.problems
    return []


def test_all_that_is_not_allowed_is_said_at_once_with_place_and_setting() -> None:
    found = problems(REACHING, NOTHING)
    expected = [
        ("f.yml:2:", "AWS_SECRET_ACCESS_KEY", "allowed_env: [AWS_SECRET_ACCESS_KEY]"),
        ("f.yml:4:", "{env.PLACE}", "allowed_env: [PLACE]"),
        ("f.yml:7:", "requests to http://169.254.169.254", "allowed_hosts: ['http://169.254.169.254']"),
        ("f.yml:13:", "{env.HOME}", "allowed_env: [HOME]"),
        ("f.yml:14:", "SQL", "allow_sql: true"),
        ("f.yml:21:", "requests to http://localhost:9", "allowed_hosts: ['http://localhost:9']"),
        ("f.yml:27:", "SQL", "allow_sql: true"),
        ("f.yml:31:", "SQL", "allow_sql: true"),
    ]
    assert len(found) == len(expected), "\n".join(found)
    for line, parts in zip(found, expected, strict=True):
        assert line.startswith(parts[0]), line
        assert all(part in line for part in parts), line


def test_each_setting_allows_its_own() -> None:
    wide = Trust(
        allowed_hosts=("http://169.254.169.254", "localhost"),
        allowed_env=frozenset({"PLACE", "HOME", "AWS_SECRET_ACCESS_KEY"}),
        allow_sql=True,
    )
    assert problems(REACHING, wide) == []
    assert all("SQL" in line for line in problems(REACHING, Trust(allow_sql=False)))
    assert len(problems(REACHING, Trust(allow_sql=False))) == 3
    assert all("requests to" in line for line in problems(REACHING, Trust(allowed_hosts=())))
    only = problems(REACHING, Trust(allowed_hosts=("localhost",), public_hosts=False))
    assert [line.split("requests to ")[1].split()[0] for line in only] == [
        "http://169.254.169.254", "https://api.example.com",
    ]  # fmt: skip


def test_a_file_that_was_read_before_is_held_against_it_too() -> None:
    draft = parse(REACHING, "f.yml")
    with pytest.raises(PipelineFileError) as caught:
        check_reach(draft.shaped, "f.yml", NOTHING)
    assert caught.value.problems == problems(REACHING, NOTHING)


def test_by_default_everything_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Trust() == EVERYTHING
    monkeypatch.setenv("PLACE", "here")
    monkeypatch.setenv("HOME", "/home")
    plain = parse(REACHING, "f.yml")
    trusted = parse(REACHING, "f.yml", Trust())
    assert (plain.pipeline, plain.names) == (trusted.pipeline, trusted.names)

    def bound(draft: Draft, **more: Any) -> Any:
        loaded = draft.bind(env="dev", destination="sqlite:///x", **more)
        look_up = loaded.variables.lookup(run_id="r", now=0)
        return loaded.scope, loaded.request_hash, loaded.mapping_hash, look_up("place"), look_up("env.HOME")

    assert bound(plain) == bound(trusted, trust=Trust())


SMALL = """pipeline_id: small
environments: {dev: {word: "{env.WORD}"}}
steps:
  - step: a
    processor: generic.api_extractor
    config: {url: "https://api.example.com/{env.WORD}", destination: {table: a}}
"""


def test_variables_of_the_environment_stay_unread_unless_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORD", "told")
    draft = parse(SMALL, "f.yml")
    with pytest.raises(NotAllowed, match=r"\{env\.WORD\}") as caught:
        draft.bind(destination="sqlite:///x", trust=NOTHING)
    assert "told" not in str(caught.value)
    loaded = draft.bind(destination="sqlite:///x", env="dev", trust=Trust(allowed_env=frozenset({"WORD"})))
    look_up = loaded.variables.lookup(run_id="r", now=0)
    assert (look_up("word"), look_up("env.WORD")) == ("told", "told")
    with pytest.raises(NotAllowed):
        look_up("env.PATH")


def test_the_variable_that_chooses_an_environment_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIDDEN", "a value nobody may see")
    text = SMALL.replace("{env.WORD}", "w") + "environment_variable: HIDDEN\n"
    draft = parse(text, "f.yml")
    loaded = draft.bind(destination="sqlite:///x", trust=Trust(allowed_env=frozenset()))
    assert loaded.environment is None


def test_a_file_may_not_choose_its_destination() -> None:
    draft = parse(SMALL.replace("{env.WORD}", "w") + "destination: sqlite:////etc/x.db\n", "f.yml")
    with pytest.raises(NotAllowed, match="own destination"):
        draft.bind(trust=NOTHING)
    assert draft.bind(trust=NOTHING, destination="sqlite:///given").destination == "sqlite:///given"


def test_files_come_from_the_allowed_folders_only(tmp_path: Path) -> None:
    inside, outside = tmp_path / "pipelines", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (outside / "secret.sql").write_text("SELECT 1 AS secret")
    (outside / "f.yml").write_text(SMALL)
    (inside / "own.sql").write_text("SELECT 1 AS n")
    (inside / "link.sql").symlink_to(outside / "secret.sql")
    (inside / "link.yml").symlink_to(outside / "f.yml")
    trust = Trust(allowed_folders=(inside,))
    text = SMALL + "  - {step: b, processor: generic.sql_transformer, config: {dialect: duckdb, sql_file: FILE}}\n"
    text = text.replace('environments: {dev: {word: "{env.WORD}"}}\n', "")
    assert problems(text.replace("FILE", "own.sql"), trust, str(inside / "x.yml")) == []
    for path in ("../outside/secret.sql", str(outside / "secret.sql"), "link.sql", "/etc/hostname"):
        found = problems(text.replace("FILE", path), trust, str(inside / "x.yml"))
        assert len(found) == 1, found
        assert ":6:" in found[0]
        assert "allowed_folders" in found[0]
    with pytest.raises(NotAllowed, match="pipeline file"):
        load(inside / ".." / "outside" / "f.yml", trust=trust)
    with pytest.raises(NotAllowed, match="pipeline file"):
        load(inside / "link.yml", trust=trust)
    assert problems(text.replace("FILE", "/etc/hostname"), Trust(allowed_folders=()), "x.yml") != []
