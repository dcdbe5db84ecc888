"""Seed 5's own files: the schema and the examples load as they stand."""

from __future__ import annotations

from pathlib import Path

from headrace.core.clock import SystemClock
from headrace.destinations import from_url
from headrace.pipeline.check import check
from headrace.pipeline.load import load
from headrace.sources.auth.header import HeaderAuth
from headrace.sources.auth.query import QueryAuth
from headrace.sources.paginate.cursor import CursorPages
from headrace.sources.paginate.link import LinkPages
from headrace.sources.paginate.offset import OffsetPages
from headrace.sources.paginate.page import NumberedPages
from headrace.sources.throttle import Throttle
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


def test_the_defaults_are_those_of_the_schema(tmp_path: Path) -> None:
    """What its comments say, and its text besides: a file that leaves them out means the same."""
    (file := tmp_path / "bare.yml").write_text(
        "- step: extract_data\n"
        "  processor: generic.api_extractor\n"
        "  config: {url: https://api.vendor.com/v1/resource, destination: {table: vendor_data_raw}}\n"
    )
    config = load(file, environ={}).pipeline.steps[0].config
    assert isinstance(config, ApiExtractor)
    assert (config.method, config.data_path, config.timeout, config.max_pages) == (None, "data", 60, 10_000)
    assert (config.auth, config.pagination, config.params, config.headers) == (None, None, {}, {})
    assert config.destination is not None
    assert (config.destination.batch_size, config.destination.key_fields) == (1000, [])
    limit = config.rate_limit
    assert (limit.retry_on_429, limit.max_retries, limit.concurrency, limit.budget) == (True, 3, 1, None)
    assert Throttle(limit, SystemClock()).rate == 10
    assert (config.transform.flatten, config.transform.add_fields) == (False, {})
    assert (HeaderAuth().header_name, QueryAuth().param_name) == ("X-API-Key", "api_key")
    paged: list[CursorPages | OffsetPages | NumberedPages | LinkPages] = [
        CursorPages(type="cursor", response_path="next"), OffsetPages(type="offset"), NumberedPages(type="page"),
        LinkPages(type="link"),
    ]  # fmt: skip
    assert {(kind.limit, kind.limit_param) for kind in paged} == {(None, "limit")}


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
