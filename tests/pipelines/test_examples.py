"""The seed's pipelines, as they stand, against a stand-in of each API: every record once, kept as it was sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.pipelines.conftest import Noon

from headrace import pipelines
from headrace.core.errors import AuthRefused, RequestFailed
from headrace.sandbox import Options, run_in_thread

SEED = Path(__file__).parents[1] / "pipeline" / "seed"
FILES = {
    "hubspot": "contacts_extract.yml",
    "stripe": "transactions_extract.yml",
    "github": "repos_extract.yml",
    "vendor": "full_pipeline.yml",
}
HOSTS = ("api.hubspot.com", "api.stripe.com", "api.github.com", "api.vendor.com")
PROVIDERS = {"vendor": "vendor_api"}
PARAMS: dict[str, dict[str, str]] = {
    "stripe": {"start_date": "2025-12-20", "end_date": "2026-01-01"},
    "github": {"org_name": "acme"},
}
TABLES = {
    "hubspot": ("hubspot_contacts_raw", 230, 3),
    "stripe": ("stripe_transactions_raw", 230, 4),  # the last page is the empty one
    "github": ("github_repos_raw", 230, 3),
    "vendor": ("vendor_data_raw", 230, 3),
}
MADE = {"vendor": {"vendor_data_transformed": 230}}
"""What SQL makes of it."""


def run(place: Any, url: str, name: str | Path, **options: Any) -> Any:
    secrets = dict.fromkeys(("hubspot", "stripe", "github", "vendor_api"), "test-key")
    given = {"secrets": secrets, "params": PARAMS.get(str(name), {}), "clock": Noon(), **options}
    return place.run(name, rewrite=dict.fromkeys(HOSTS, url), **given)


@pytest.mark.parametrize("name", FILES)
def test_what_ships_is_the_seed_s_text(name: str) -> None:
    assert pipelines.read(name) == (SEED / FILES[name]).read_bytes()


@pytest.mark.parametrize("name", FILES)
def test_every_record_once_with_its_own_text(name: str, anywhere: Any, sandbox: Any) -> None:
    table, rows, pages = TABLES[name]
    result = run(anywhere, sandbox.url, name)
    assert (result.status, result.rows, result.pages, result.retries) == (
        "done",
        {table: rows, **MADE.get(name, {})},
        pages,
        0,
    )
    found = anywhere.rows(f"SELECT org_slug, raw_data, extracted_at FROM {table} ORDER BY _page, _record")
    assert {org for org, _, _ in found} == {"default"}
    assert all(at for _, _, at in found)
    records = [json.loads(text) for _, text, _ in found]
    assert len({record["id"] for record in records}) == rows
    sent = [b for page in anywhere.raw(f"{_step(name)}_raw_pages", result.run_id) for b in _records(page.body)]
    assert [text for _, text, _ in found] == sent
    assert sandbox.stats()["repeated"] == 0


def _step(name: str) -> str:
    steps = {"hubspot": "extract_contacts", "stripe": "extract_transactions", "github": "extract_repos"}
    return steps.get(name, "extract_data")


def _records(body: bytes) -> list[str]:
    """The records of an answer as their own bytes: the stand-ins write compact JSON."""
    answer = json.loads(body)
    rows = (
        answer
        if isinstance(answer, list)
        else next(answer[key] for key in ("results", "data", "items") if key in answer)
    )
    return [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows]


def test_stripe_brings_the_days_that_are_asked_for(place: Any, sandbox: Any) -> None:
    result = run(place, sandbox.url, "stripe", params={"start_date": "2025-12-28", "end_date": "2025-12-30"})
    created = [json.loads(text)["created"] for (text,) in place.rows("SELECT raw_data FROM stripe_transactions_raw")]
    assert result.status == "done"
    assert len(created) == 2 * 86_400 // 2_700 + 1
    assert (min(created), max(created)) == (1_766_880_000, 1_767_052_800)  # both ends belong to it


def test_github_follows_links_to_the_organisation_s_id(place: Any, sandbox: Any) -> None:
    result = run(place, sandbox.url, "github")
    urls = [page.url for page in place.raw("extract_repos_raw_pages", result.run_id)]
    assert urls[0] == "https://api.github.com/orgs/acme/repos?per_page=100"
    assert all(url.startswith("https://api.github.com/organizations/") for url in urls[1:])


def test_the_whole_configuration_runs(place: Any, sandbox: Any) -> None:
    """Merged by key, with the further columns; pages of which nothing remains are no end."""
    file = SEED / "full_schema.yml"
    for _ in range(2):
        result = run(place, sandbox.url, file, params={"status": "open"})
        assert result.status == "done", result
    rows = place.rows("SELECT org_slug, source, raw_data FROM vendor_data_raw")
    ids = [json.loads(text)["id"] for _, _, text in rows]
    assert {row[:2] for row in rows} == {("default", "vendor_api")}
    assert {json.loads(text)["status"] for _, _, text in rows} == {"open"}
    assert len(ids) == len(set(ids)) > 30


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("hubspot", '"category":"INVALID_AUTHENTICATION"'),
        ("stripe", "Invalid API Key provided: wro********"),
        ("github", "Bad credentials"),
        ("vendor", "The bearer token is missing or unknown."),
    ],
)
def test_a_wrong_key_fails_in_the_api_s_own_words(name: str, words: str, place: Any) -> None:
    with run_in_thread(Options(records=20, api_key="right-key")) as sandbox, pytest.raises(AuthRefused) as error:
        run(place, sandbox.url, name, secrets={PROVIDERS.get(name, name): "wrong-key-42"})
    assert words in error.value.message
    assert f"the credential of provider '{PROVIDERS.get(name, name).upper()}'" in error.value.hint
    assert "wrong-key-42" not in str(error.value)


def test_an_organisation_that_is_not_there(place: Any, sandbox: Any) -> None:
    with pytest.raises(RequestFailed, match="404 Not Found"):
        run(place, sandbox.url, "github", params={"org_name": "no-such-org"})


@pytest.mark.parametrize("name", FILES)
def test_a_limit_that_is_used_up_is_waited_for(name: str, place: Any, sandbox: Any) -> None:
    sandbox.fault("fixed_window", path="/*", params={"requests": 2, "seconds": 1})
    result = run(place, sandbox.url, name)
    assert (result.status, result.rows) == ("done", {TABLES[name][0]: TABLES[name][1], **MADE.get(name, {})})
    refused = sandbox.stats()["faults"].get("fixed_window", 0)
    assert refused == result.retries
