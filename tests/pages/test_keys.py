"""Pages of a service that needs keys: signing in, what a key may do, and whose rows it shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

import headrace
from headrace.core.errors import InputError
from headrace.destinations import from_url
from headrace.inspect.rows import rows, tables
from headrace.service.keys import Keys
from headrace.service.pages.login import own_path

pytestmark = pytest.mark.xdist_group("pages")

SHARED = """
pipeline_id: {name}
source: {{base_url: "{url}", rate_limit: {{requests_per_second: 1000}}}}
steps:
  - step: shows
    processor: generic.api_extractor
    config:
      url: /shows
      data_path: data
      tables:
        - table: {table}
          key: [id{key}]
          columns:
            id: {{path: id, type: int}}
            {column}
"""


@pytest.fixture(scope="module")
def locked(opened: Any) -> Any:
    """A service with a key for each scope, and one of another organisation; both have run into one database."""
    made: dict[str, str] = {}

    def keys(store: Any) -> None:
        for org, scope in (("default", "read"), ("default", "run"), ("default", "admin"), ("acme", "run")):
            found = Keys(store).make(org, f"{org} {scope}", scope)  # type: ignore[arg-type]  # one of them
            assert found is not None
            made[f"{org}-{scope}"] = found[1]

    stage = opened(keys)
    for name, table, key, column in (
        ("both", "both", ", org_slug", 'org_slug: {value: "{org_slug}"}'), ("one", "only_acme", "", "name: name"),
    ):  # fmt: skip
        file = stage.folder / "pipelines" / f"{name}.yml"
        file.write_text(SHARED.format(name=name, url=stage.api.url, table=table, key=key, column=column))
        for org in ("default", "acme") if name == "both" else ("acme",):
            headrace.run(file, destination=f"sqlite:///{stage.folder}/made.db", state=stage.folder / "state", org=org)
    stage.keys = made
    return stage


@pytest.fixture
def visitor(locked: Any) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=locked.url, timeout=60) as made:
        yield made


def sign_in(visitor: httpx.Client, key: str, **more: str) -> httpx.Response:
    return visitor.post("/ui/login", data={"key": key, **more})


def test_a_page_asks_for_a_key_first(visitor: httpx.Client) -> None:
    for path in ("/", "/ui/runs", "/ui/pipelines/shows", "/ui/tables", "/ui/tables/warehouse/both", "/ui/quality"):
        answer = visitor.get(path)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/ui/login?next=%2F")
    assert visitor.post("/ui/pipelines/shows/start", data={}).headers["location"].startswith("/ui/login")
    assert visitor.get("/ui/runs/x/live").status_code == 303
    assert visitor.get("/ui/login").status_code == 200
    assert visitor.get("/ui/static/headrace.css").status_code == 200


def test_a_key_is_kept_where_no_script_reads_it(visitor: httpx.Client, locked: Any) -> None:
    answer = sign_in(visitor, locked.keys["default-read"], next="/ui/runs")
    assert (answer.status_code, answer.headers["location"]) == (303, "/ui/runs")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    page = visitor.get("/ui/runs")
    assert page.status_code == 200
    assert "Sign out" in page.text
    assert locked.keys["default-read"] not in page.text
    visitor.post("/ui/logout")
    assert visitor.get("/ui/runs").status_code == 303


def test_a_wrong_key_is_told_nothing(visitor: httpx.Client) -> None:
    answer = sign_in(visitor, "hrk_nothing_of_the_kind")
    assert answer.status_code == 401
    assert "not known here" in answer.text
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", ["//evil.example", "https://evil.example", "/\\evil.example", "evil", "/a\nb"])
def test_signing_in_leads_nowhere_else(path: str) -> None:
    assert own_path(path) == "/"


def test_who_may_only_look_has_no_buttons(visitor: httpx.Client, locked: Any) -> None:
    sign_in(visitor, locked.keys["default-read"])
    page = visitor.get("/ui/pipelines/shows")
    assert "Your key may look, but not start runs" in page.text
    assert 'id="start"' not in page.text
    refused = visitor.post("/ui/pipelines/shows/start", data={})
    assert refused.status_code == 403
    assert "Not allowed" in refused.text
    sign_in(visitor, locked.keys["default-run"])
    assert 'id="start"' in visitor.get("/ui/pipelines/shows").text


def test_runs_of_others_are_unknown(visitor: httpx.Client, locked: Any) -> None:
    sign_in(visitor, locked.keys["acme-run"])
    run_id = visitor.post("/ui/pipelines/shows/start", data={"destination": "archive"}).headers["location"]
    assert visitor.get(run_id).status_code == 200
    locked.wait_for(run_id.rpartition("/")[2])
    sign_in(visitor, locked.keys["default-run"])
    for path in (run_id, f"{run_id}/live"):
        assert visitor.get(path).status_code == 404
    for act in ("cancel", "resume", "accept"):
        assert visitor.post(f"{run_id}/{act}").status_code == 404
    assert run_id not in visitor.get("/ui/runs").text


def test_rows_of_others_are_unknown(visitor: httpx.Client, locked: Any) -> None:
    sign_in(visitor, locked.keys["default-run"])
    listed = visitor.get("/ui/tables").text
    assert "both" in listed
    assert "only_acme" not in listed
    shown = visitor.get("/ui/tables/warehouse/both?column=org_slug&value=acme").text
    assert "acme</td>" not in shown
    assert "default</td>" in shown
    assert visitor.get("/ui/tables/warehouse/only_acme").status_code == 422
    own = visitor.get("/ui/tables/warehouse/both/why?key=id%3D3&key=org_slug%3Ddefault").text
    assert "<mark>" in own
    other = visitor.get("/ui/tables/warehouse/both/why?key=id%3D3&key=org_slug%3Dacme").text
    assert "<mark>" in other  # of its own row: the organisation is not the caller's to choose
    for path in ("only_acme/why?key=3", "only_acme/why?key=id%3D99999", "both/why?key=99999"):
        page = visitor.get(f"/ui/tables/warehouse/{path}").text
        assert "<mark>" not in page
        assert "there is no row" in page


def test_the_answer_behind_a_sensitive_column_is_withheld(opened: Any) -> None:
    stage = opened()
    file = stage.folder / "pipelines/one.yml"
    column = "name: {path: name, sensitive: true}"
    file.write_text(SHARED.format(name="one", url=stage.api.url, table="secret_shows", key="", column=column))
    headrace.run(file, destination=f"sqlite:///{stage.folder}/made.db", state=stage.folder / "state")
    with httpx.Client(base_url=stage.url, timeout=60) as visitor:
        listed = visitor.get("/ui/tables/warehouse/secret_shows").text
        origin = visitor.get("/ui/tables/warehouse/secret_shows/why?key=id%3D1").text
    assert "id=1" in listed
    assert "this table has sensitive columns" in origin
    assert "Person of Interest" not in listed + origin


def test_in_a_database_of_its_own_an_organisation_sees_all(locked: Any) -> None:
    target = from_url(f"sqlite:///{locked.folder}/made.db")
    with target.open(read_only=True) as session:
        assert {each.name: each.rows for each in tables(session, target)} == {"both": 80, "only_acme": 40}
        assert {each.name: each.rows for each in tables(session, target, org="acme")} == {"both": 40}
        assert len(rows(session, target, "both", org="acme").rows) == 40
        with pytest.raises(InputError, match="no table 'only_acme'"):
            rows(session, target, "only_acme", org="acme")
