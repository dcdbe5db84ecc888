"""The seed's library code with only its import lines changed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from headrace.core.errors import AuthRefused, InputError, SecretMissing
from headrace.pipelines.sapi import (
    POSTGRES_SETTINGS,
    SAPI_SETTINGS,
    BackfillOptions,
    DatabaseManager,
    SapiBackfillWorker,
    SapiClient,
    SapiRunScope,
)
from headrace.sandbox import Options, run_in_thread
from headrace.testing.api import serving
from headrace.testing.loopback import Asked, Reply, listening

PROGRAM = """
from headrace.pipelines.sapi import DatabaseManager
from headrace.pipelines.sapi import SapiClient
from headrace.pipelines.sapi import SapiBackfillWorker, SapiRunScope, BackfillOptions
from headrace.pipelines.sapi import SAPI_SETTINGS, POSTGRES_SETTINGS

db_manager = DatabaseManager(POSTGRES_SETTINGS)
client = SapiClient(
    api_key=SAPI_SETTINGS.api_key,
    api_host=SAPI_SETTINGS.api_host,
    base_url=SAPI_SETTINGS.base_url,
)
worker = SapiBackfillWorker(db_manager=db_manager, sapi_client=client)

scope = SapiRunScope(
    country="US",
    catalogs_bundle="netflix,prime,disney",
    params_fingerprint="v1:genre=18",
)
options = BackfillOptions(max_pages=1)

run_id = worker.run_backfill(
    scope=scope,
    base_query_params={"genre": "18"},
    options=options,
)
print(f"Backfill {run_id} started")

worker.run_backfill(scope=scope, base_query_params={"genre": "18"}, run_id=run_id)
"""


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, place: Any, sandbox: Any) -> Any:
    """The environment of the program; its files lie in a folder of their own."""
    monkeypatch.setenv("SAPI_API_KEY", "test-key")
    monkeypatch.setenv("SAPI_API_HOST", "api.example.com")
    monkeypatch.setenv("SAPI_BASE_URL", sandbox.url)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("HEADRACE_DESTINATION", raising=False)
    monkeypatch.chdir(place.folder)
    return monkeypatch


@pytest.mark.parametrize("database", ["postgresql", "embedded"])
def test_the_program_runs(database: str, settings: Any, place: Any, request: Any) -> None:
    with run_in_thread(Options(titles=200, page_size=10)) as sandbox:
        settings.setenv("SAPI_BASE_URL", sandbox.url)
        run_program(database, settings, place, sandbox, request)


def run_program(database: str, settings: Any, place: Any, sandbox: Any, request: Any) -> None:
    if database == "postgresql":
        settings.setenv("DATABASE_URL", request.getfixturevalue("postgres_url"))
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    run_id = done.stdout.removeprefix("Backfill ").removesuffix(" started\n")
    assert Path("headrace.duckdb").exists() == (database == "embedded")
    place.url = DatabaseManager(POSTGRES_SETTINGS).url
    asked = sandbox.stats()
    assert asked["repeated"] == 0
    assert all("country=us&catalogs=netflix%2Cprime%2Cdisney&genres=drama" in line for line in asked["by_request"])
    assert place.rows("SELECT run_id, status, scope FROM headrace_runs") == [
        (run_id, "done", "us:disney,netflix,prime:v1:genre=18")
    ]
    pages = place.raw("sapi_raw_pages", run_id)
    assert len(pages) == asked["requests"] > 1
    assert place.one("SELECT count(DISTINCT sapi_id) FROM sapi_titles WHERE last_seen_run_id = ?", run_id) > 20
    with DatabaseManager(POSTGRES_SETTINGS).session() as session:
        assert next(iter(session.query("SELECT country FROM sapi_offers LIMIT 1"))).to_pylist() == [{"country": "US"}]


def test_the_environment_names_the_host(settings: Any) -> None:
    assert SAPI_SETTINGS.api_host == "api.example.com"
    settings.delenv("SAPI_BASE_URL")
    assert SAPI_SETTINGS.base_url == "https://api.example.com"
    settings.delenv("SAPI_API_HOST")
    assert SAPI_SETTINGS.base_url == "https://streaming-availability.p.rapidapi.com"


def worker_of(api: Any, url: str, key: str = "test-key") -> SapiBackfillWorker:
    client = SapiClient(api_key=key, api_host="h", base_url=api.url)
    return SapiBackfillWorker(db_manager=DatabaseManager(url), sapi_client=client)


def test_filters_lists_and_genres_reach_the_api(settings: Any, place: Any, sandbox: Any) -> None:
    worker = worker_of(sandbox, place.url)
    query = {"genres": "18, comedy", "genres_relation": "or", "show_type": "movie", "year_min": None}
    worker.run_backfill(scope=SapiRunScope("de", " prime ,netflix"), base_query_params=query)
    (first, *_) = sandbox.stats()["by_request"]
    for part in (
        "country=de",
        "catalogs=prime%2Cnetflix",
        "genres=drama%2Ccomedy",
        "genres_relation=or",
        "show_type=movie",
    ):
        assert part in first
    assert worker.last_result is not None
    assert worker.last_result.status == "done"
    with pytest.raises(InputError, match="country"):
        worker.run_backfill(scope=SapiRunScope("de"), base_query_params={"country": "us"})


def test_the_client_s_host_is_a_header(settings: Any, place: Any) -> None:
    with serving(lambda path, query: (b'{"shows": [], "hasMore": false}', 200, {})) as api:
        worker_of(api, place.url).run_backfill(scope=SapiRunScope("de"))
    assert [(each["X-RapidAPI-Host"], each["X-RapidAPI-Key"]) for each in api.headers] == [("h", "test-key")]


def test_options_pause_and_the_bundle_s_order_does_not_matter(settings: Any, place: Any, sandbox: Any) -> None:
    worker = worker_of(sandbox, place.url)
    for bundle in ("netflix,prime", "prime,netflix"):
        worker.run_backfill(scope=SapiRunScope("US", bundle), options=BackfillOptions(max_pages=1))
        assert worker.last_result is not None
        assert (worker.last_result.status, worker.last_result.pages) == ("partial", 1)
    assert len(place.rows("SELECT DISTINCT scope FROM headrace_runs")) == 1


def test_a_key_that_is_missing_or_refused_is_said(settings: Any, sandbox: Any, place: Any) -> None:
    sandbox.fault("status_403")
    with pytest.raises(AuthRefused) as refused:
        worker_of(sandbox, place.url, "another-secret").run_backfill(scope=SapiRunScope("US"))
    assert "another-secret" not in str(refused.value)
    assert "another-secret" not in repr(SapiClient(api_key="another-secret"))
    settings.delenv("SAPI_API_KEY")
    with pytest.raises(SecretMissing, match="SAPI_API_KEY"):
        _ = SAPI_SETTINGS.api_key


def test_fetch_data_success() -> None:
    """The seed's own test, with a server instead of a mock."""

    def answer(asked: Asked) -> Reply:
        named = (asked.headers["X-RapidAPI-Key"], asked.headers["X-RapidAPI-Host"])
        ok = asked.target == "/shows?country=us" and named == ("test", "api.example.com")
        return Reply.json({"items": [{"id": "1"}], "next_cursor": "abc"}, 200 if ok else 404)

    with listening(answer) as url:
        client = SapiClient(api_key="test", api_host="api.example.com", base_url=url)
        result = client.fetch_data("shows", {"country": "us", "genre": None})
        assert result["next_cursor"] == "abc"
        assert result["items"] == [{"id": "1"}]
        with pytest.raises(Exception, match="404") as error:
            client.fetch_data("nothing", {})
        assert type(error.value).__name__ == "RequestFailed"
