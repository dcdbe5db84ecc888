"""What is to be run, with every choice made: a pipeline, its inputs, its steps, its id."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.core.templates import Lookup
from headrace.pipeline.model import PipelineStep


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
