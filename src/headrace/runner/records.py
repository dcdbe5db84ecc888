"""The record of a run: made once, compared ever after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from headrace.core import events, faults
from headrace.core.clock import Clock
from headrace.core.errors import RunRefused
from headrace.core.events import EventSink
from headrace.core.tables import RunRecord
from headrace.pipeline.job import Job
from headrace.pipeline.load import from_resolved
from headrace.runner.database import SessionThread


async def begin(job: Job, database: SessionThread, clock: Clock, sink: EventSink) -> tuple[Job, RunRecord, bool, bool]:
    """The job and record to run under, whether it goes on from an earlier call, and whether that was killed.

    A changed mapping gives way to the stored one unless the job adopts it. Raises RunRefused when the
    stored run had other parameters or another request part.
    """
    stored = await database.call(lambda s: s.run(job.run_id))
    if stored is None:
        now = clock.now()
        record = RunRecord(
            run_id=job.run_id,
            pipeline=job.pipeline_id,
            org=job.org,
            status="running",
            params=dict(job.params),
            resolved=job.resolved,
            request_hash=job.request_hash,
            mapping_hash=job.mapping_hash,
            scope=job.scope,
            now=now,
            started_at=now,
        )
        await database.call(lambda s: s.save_run(record))
        faults.point("run.saved")
        return job, record, False, False
    _compare(job, stored)
    if stored.mapping_hash != job.mapping_hash:
        if job.adopt:
            stored = replace(stored, mapping_hash=job.mapping_hash, resolved=job.resolved)
        else:
            names = {entry.step for entry in job.steps}
            steps = [entry for entry in from_resolved(stored.resolved).steps if entry.step in names]
            job = replace(job, steps=steps)
            sink.emit(
                events.Warned(
                    job.run_id,
                    "the mapping changed since this run began: it goes on with the stored one "
                    "(--adopt replays what is stored through the new one, and goes on with that)",
                )
            )
    more = _more_steps(job, stored)
    if stored.status == "suspect" or (stored.status == "done" and not more):
        return job, stored, True, False
    if more:
        stored = replace(stored, resolved={**stored.resolved, "chosen": [*stored.resolved["chosen"], *more]})
    cut_off = stored.status == "running"
    running = replace(stored, status="running", finished_at=None, error="")
    await database.call(lambda s: s.save_run(running))
    return job, running, True, cut_off


def _more_steps(job: Job, stored: RunRecord) -> list[str]:
    """Steps that this call asks for and no call before did (`--steps`, `--from-step`)."""
    before = stored.resolved.get("chosen")
    return [] if before is None else [entry.step for entry in job.steps if entry.step not in before]


def check_organisation(job: Job, owner: str) -> None:
    """Raises RunRefused when a run of this id is another organisation's."""
    if owner != job.org:
        raise RunRefused(
            f"another organisation than {job.org!r} has a run {job.run_id}",
            hint="choose another --run-id, or leave it out",
        )


def _compare(job: Job, stored: RunRecord) -> None:
    check_organisation(job, stored.org)
    if stored.pipeline != job.pipeline_id:
        raise RunRefused(
            f"run {job.run_id} belongs to pipeline {stored.pipeline!r}",
            hint="choose another --run-id, or leave it out",
        )
    if differing := _differences(stored.params, job.params):
        raise RunRefused(
            f"run {job.run_id} began with other inputs: {differing}",
            hint="resume it with its own inputs (`headrace resume`), or choose another --run-id",
        )
    if stored.request_hash != job.request_hash:
        raise RunRefused(
            f"what pipeline {job.pipeline_id!r} asks of the API changed since run {job.run_id} began",
            hint="its cursor would not fit: begin a new run with --restart (what is committed stays)",
        )


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    names = sorted({*before, *after})
    return ", ".join(
        f"{name} was {before.get(name)!r} and is {after.get(name)!r}"
        for name in names
        if before.get(name) != after.get(name)
    )
