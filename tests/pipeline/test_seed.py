"""Seed 5's own files: the schema and the examples load as they stand."""

from __future__ import annotations

from pathlib import Path

from headrace.core.errors import PipelineFileError
from headrace.pipeline.load import load
from headrace.steps.base import processors
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


def test_steps_that_do_not_exist_yet_are_named_with_what_there_is() -> None:
    known = processors()
    written = {
        "6:16: steps.decrypt_credentials": "integrations.kms_decrypt",
        "29:16: steps.transform_data": "generic.local_bq_transformer",
    }
    missing = [
        f"{place}.processor: unknown processor '{name}'. There are: {', '.join(known)}"
        for place, name in written.items()
        if name not in known
    ]
    problems: list[str] = []
    try:
        load(SEED / "full_pipeline.yml", environ={})
    except PipelineFileError as error:
        problems = error.problems
    assert [line.split("full_pipeline.yml:")[1] for line in problems] == missing
