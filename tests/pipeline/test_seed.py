"""Seed 5's own files: the schema and the examples load as they stand."""

from __future__ import annotations

from pathlib import Path

from headrace.destinations import from_url
from headrace.pipeline.check import check
from headrace.pipeline.load import load
from headrace.steps.generic.api_extractor import ApiExtractor

SEED = Path(__file__).parent / "seed"


def extract(name: str, **given: object) -> ApiExtractor:
    config = load(SEED / name, environ={}, **given).pipeline.steps[0].config
    assert isinstance(config, ApiExtractor)
    return config


def test_the_full_schema_loads_and_its_two_destinations_are_joined() -> None:
    loaded = load(SEED / "full_schema.yml", params={"status": "open"}, environ={})
    assert loaded.pipeline.pipeline_id == "full_schema"
    assert [w.split(": ", 2)[1:] for w in loaded.warnings] == [
        ["warning", "destination stands here a second time (first in line 9); the two agree and were joined"]
    ]
    config = loaded.pipeline.steps[0].config
    assert isinstance(config, ApiExtractor)
    assert config.destination is not None
    assert config.destination.model_dump() == {
        "table": "vendor_data_raw",
        "batch_size": 1000,
        "key_fields": ["id", "updated_at"],
    }
    assert config.timeout == 60
    assert config.params == {"include": "metadata", "status": "{status}"}
    assert config.rate_limit.requests_per_second == 10


def test_hubspot() -> None:
    config = extract("contacts_extract.yml")
    assert config.pagination is not None
    assert config.pagination.model_dump()["response_path"] == "paging.next.after"
    assert config.data_path == "results"


def test_stripe_needs_its_two_dates() -> None:
    config = extract("transactions_extract.yml", params={"start_date": "2026-01-01", "end_date": "2026-02-01"})
    assert config.params["created[gte]"] == "{start_date_unix}"
    assert config.rate_limit.requests_per_second == 25


def test_github_needs_its_organisation() -> None:
    loaded = load(SEED / "repos_extract.yml", params={"org_name": "acme"}, environ={})
    assert loaded.params == {"org_name": "acme"}
    assert loaded.pipeline.pipeline_id == "github-repos-extract"


def test_vendor_is_checked_for_every_destination() -> None:
    assert load(SEED / "full_pipeline.yml", environ={}).pipeline.pipeline_id == "vendor-data-pipeline"
    for url in ("duckdb:///x.duckdb", "sqlite:///x.sqlite", "postgresql://localhost/x"):
        assert check(SEED / "full_pipeline.yml", from_url(url).capabilities()) == []
