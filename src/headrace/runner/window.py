"""A pipeline that asks for a span of time alone."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from headrace.core.errors import InputError, NotSupported
from headrace.crawl.slices import parse_date
from headrace.pipeline.hashes import fingerprint
from headrace.pipeline.load import Loaded, from_resolved
from headrace.steps.generic.api_extractor import ApiExtractor

STEP = "1d"


@dataclass(frozen=True, slots=True)
class Window:
    """From ``start`` up to, and without, ``end`` (ISO 8601, UTC unless it says), in parts of ``step``: a number
    and h, d, w, m or y; by default that of the step's own date slices, else a day."""

    start: str
    end: str
    step: str | None = None


def windowed(loaded: Loaded, window: Window, steps: Sequence[str]) -> tuple[Loaded, list[str]]:
    """``loaded`` with every extract step that knows time cut into parts of ``window``, and the steps to run: extract
    steps that know no time are left out. Raises InputError for a span that is none, NotSupported where a step
    cannot be given an end, or a table would take a part for the whole."""
    start, end = parse_date(window.start, place="--from"), parse_date(window.end, place="--to")
    if start >= end:
        raise InputError(
            f"--from {window.start} is not before --to {window.end}", hint="the end itself is not asked for"
        )
    if window.step is not None and not re.fullmatch(r"[1-9]\d*[hdwmy]", window.step):
        raise InputError(f"{window.step!r} is no step of time", hint="write 6h, 1d, 2w, 1m or 1y", place="--step")
    data: dict[str, Any] = copy.deepcopy(dict(loaded.data))
    span = {"from": window.start, "to": window.end}
    running: list[str] = []
    cut = False
    for entry, plain in zip(loaded.pipeline.steps, data["steps"], strict=True):
        config = entry.config
        if steps and entry.step not in steps:
            continue
        if not isinstance(config, ApiExtractor):
            running.append(entry.step)
            continue
        found = _slices(config, entry.step, window.step)
        if found is None:
            continue
        _refuse_whole_tables(config, entry.step)
        plain["config"]["slices"] = {**found, "dates": {**found["dates"], **span}}
        running.append(entry.step)
        cut = True
    if not cut:
        raise NotSupported(
            f"no step of pipeline {loaded.pipeline.pipeline_id!r} can be asked for a span of time",
            hint="give a step `incremental` with `until`, or `slices: {dates: ...}`",
        )
    data["backfill"] = {**span, "step": window.step}
    windowed_hash = fingerprint([loaded.request_hash, data["backfill"]])
    pipeline = from_resolved({key: value for key, value in data.items() if key != "source"})
    return replace(loaded, pipeline=pipeline, data=data, request_hash=windowed_hash), running


def _slices(config: ApiExtractor, step: str, given: str | None) -> dict[str, Any] | None:
    """The step's ``slices``, still without the span; ``None`` for a step that knows no time."""
    own = config.slices
    if own is not None and own.dates is not None:
        return {"dates": {"step": given or own.dates.step}, "concurrency": own.concurrency, "retry": own.retry}
    rule = config.incremental
    if rule is None:
        return None
    if own is not None:
        raise NotSupported(
            "it is cut into slices of its own, which cannot be cut again by time", place=f"step {step}",
            hint="backfill it under a file without them, or run the other steps with --step",
        )  # fmt: skip
    if rule.until is None and "{incremental.until}" not in config.model_dump_json():
        raise NotSupported(
            "nothing says how the API is given the end of a span", place=f"step {step}",
            hint="name the query parameter: incremental: {until: updated_before}",
        )  # fmt: skip
    return {"dates": {"step": given or STEP}}


def _refuse_whole_tables(config: ApiExtractor, step: str) -> None:
    for table in config.tables:
        if table.disposition in ("replace", "sync"):
            raise NotSupported(
                f"table {table.table!r} is written by {table.disposition}: a span of time would stand for the whole",
                hint="write: merge or append can be backfilled",
                place=f"step {step}",
            )
