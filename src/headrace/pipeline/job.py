"""What is to be run, with every choice made: a pipeline, its inputs, its steps, its id."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.core.errors import UsageError
from headrace.core.suggest import did_you_mean
from headrace.core.templates import Lookup
from headrace.crawl.plan import CrawlPlan
from headrace.pipeline.load import Loaded
from headrace.pipeline.model import Pipeline, PipelineStep
from headrace.pipeline.variables import Variables


@dataclass(frozen=True, slots=True)
class Job:
    """One run, before it begins or goes on.

    ``lookup(run_id, now, values)`` resolves ``{variables}``; ``values`` are the results of earlier steps.
    ``adopt`` goes on with the file's mapping instead of the one that the run began with.
    """

    run_id: str
    pipeline_id: str
    org: str
    params: Mapping[str, Any]
    resolved: Mapping[str, Any]
    request_hash: str
    mapping_hash: str
    scope: str
    steps: Sequence[PipelineStep]
    lookup: Callable[[str, int, Mapping[str, Mapping[str, Any]]], Lookup]
    adopt: bool = False

    def crawl_plan(self, entry: PipelineStep, now: int) -> CrawlPlan | None:
        """What the run will crawl in a step, as far as it is known before earlier steps have run; ``None`` for a
        step that asks no API."""
        return entry.config.crawl_plan(entry.step, entry.title or entry.step, self.lookup(self.run_id, now, {}))


def make_job(
    loaded: Loaded, run_id: str, *, steps: Sequence[str] = (), from_step: str | None = None, adopt: bool = False
) -> Job:
    """The job of a new run of ``loaded``: of the steps called ``steps``, or of those from ``from_step`` on, else of
    all. Raises UsageError for a step that the file does not have."""
    chosen = choose_steps(loaded.pipeline, steps, from_step)
    resolved = loaded.resolved()
    if len(chosen) < len(loaded.pipeline.steps):
        resolved["chosen"] = [entry.step for entry in chosen]
    return Job(
        run_id=run_id,
        pipeline_id=loaded.pipeline.pipeline_id,
        org=loaded.org,
        params=loaded.params,
        resolved=resolved,
        request_hash=loaded.request_hash,
        mapping_hash=loaded.mapping_hash,
        scope=loaded.scope,
        steps=chosen,
        lookup=lookup_of(loaded.variables),
        adopt=adopt,
    )


def lookup_of(variables: Variables) -> Callable[[str, int, Mapping[str, Mapping[str, Any]]], Lookup]:
    """What :attr:`Job.lookup` is made of."""
    return lambda run_id, now, results: variables.lookup(run_id=run_id, now=now, steps=results)


def choose_steps(pipeline: Pipeline, only: Sequence[str], from_step: str | None) -> list[PipelineStep]:
    """The steps called ``only``, or those from ``from_step`` on, in the file's order."""
    names = [entry.step for entry in pipeline.steps]
    for name in (*only, *([from_step] if from_step else [])):
        if name not in names:
            raise UsageError(
                f"pipeline {pipeline.pipeline_id!r} has no step {name!r}{did_you_mean(name, names)}",
                hint=f"its steps: {', '.join(names)}",
            )
    first = names.index(from_step) if from_step else 0
    chosen = [i for i, entry in enumerate(pipeline.steps) if i >= first and (not only or entry.step in only)]
    return [
        entry
        for i, entry in enumerate(pipeline.steps)
        if i in chosen or (entry.config.prepares and chosen and i < chosen[-1])
    ]
