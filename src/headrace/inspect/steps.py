"""The extract steps of a pipeline, and what they need before a run exists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headrace.core.errors import UsageError
from headrace.core.suggest import did_you_mean
from headrace.core.templates import Lookup, as_text, render
from headrace.pipeline.model import Pipeline
from headrace.pipeline.secrets import spelled_out
from headrace.secrets.mask import Masker
from headrace.steps.base import Step
from headrace.steps.generic.api_extractor import ApiExtractor
from headrace.steps.generic.sql_transformer import SqlTransformer

NOT_YET = "RUN_ID"
"""What ``{run_id}`` shows before there is a run."""


def extract_steps(pipeline: Pipeline) -> dict[str, ApiExtractor]:
    """The steps that ask an API, by name, in the file's order."""
    return {entry.step: entry.config for entry in pipeline.steps if isinstance(entry.config, ApiExtractor)}


def made_by_sql(pipeline: Pipeline) -> list[str]:
    """The tables and views of the SQL steps."""
    configs = [entry.config for entry in pipeline.steps]
    return list(dict.fromkeys(c.destination_table for c in configs if isinstance(c, SqlTransformer)))


def choose(pipeline: Pipeline, step: str | None) -> tuple[str, ApiExtractor]:
    """The extract step called ``step``, or the first one. Raises UsageError when there is none."""
    found = extract_steps(pipeline)
    if not found:
        raise UsageError(f"pipeline {pipeline.pipeline_id!r} has no step that asks an API")
    name = step or next(iter(found))
    if name not in found:
        raise UsageError(
            f"pipeline {pipeline.pipeline_id!r} has no extract step {name!r}{did_you_mean(name, found)}",
            hint=f"its extract steps: {', '.join(found)}",
        )
    return name, found[name]


def masker_of(config: Step, lookup: Lookup) -> Masker:
    """A masker that knows the credentials that a step spells out itself."""
    masker = Masker()
    for secret in spelled_out(config.model_dump(by_alias=True), lambda text: as_text(render(text, lookup))):
        masker.add(secret)
    return masker


def stream_lookup(lookup: Lookup, *, mark: Any = None, part: Mapping[str, Any] | None = None) -> Lookup:
    """``lookup`` with what the crawl adds: ``{incremental.mark}`` and the ``{slice.…}`` values of ``part``."""

    def find(name: str) -> Any:
        head, _, tail = name.partition(".")
        if name == "incremental.until":
            return None
        if name == "incremental.mark":
            return mark
        if head == "slice" and part is not None and tail in part:
            return part[tail]
        return lookup(name)

    return find
