"""Pipeline files in one line, and what they become."""

from __future__ import annotations

from typing import Any

from headrace.pipeline.load import Loaded, parse
from headrace.steps.generic.api_extractor import ApiExtractor

NOW = 1_767_225_600_500_000  # 2026-01-01T00:00:00.5Z


STEP = """
  - step: {name}
    processor: generic.api_extractor
    config:
      url: https://api.test/items
      destination: {{table: {name}}}
"""


def pipeline(head: str = "", config: str = "", steps: str = STEP.format(name="extract")) -> str:
    return f"pipeline_id: p\n{head}\nsteps:{steps}      {config}\n"


def bind(text: str, **given: Any) -> Loaded:
    return parse(text, "f.yml").bind(**{"environ": {}, **given})


def extractor(loaded: Loaded, index: int = 0) -> ApiExtractor:
    config = loaded.pipeline.steps[index].config
    assert isinstance(config, ApiExtractor)
    return config


INPUTS = """inputs:
  country: {type: string, default: us}
  catalogs: {type: list, default: [netflix, prime]}
  genre: {type: string, required: false}
  filters: {type: map, required: false}
  limit: {type: int, default: 5}
  share: {type: float, required: false}
  full: {type: bool, default: false}
  since: {type: date, required: false}
  state: {default: open, choices: [open, closed]}
"""

ENVIRONMENTS = pipeline(
    "environment_variable: ENV_SHORT_NAME\nenvironments: {dev: {project: a}, prod: {project: b, org_slug: big}}",
    'params: {p: "{project}"}',
)
