"""Schedules: see them, make them, change them."""

from __future__ import annotations

import asyncio
from datetime import datetime
from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict

from headrace.service import problems
from headrace.service.asking import ask_for_run, prepare_request
from headrace.service.context import Here, Service
from headrace.service.routes.pipeline import Accepted
from headrace.service.schedules import Schedule, Schedules, ScheduleSpec
from headrace.service.security import Admin, Reader, Runner
from headrace.state.progress.contract import Request

router = APIRouter(prefix="/schedules", tags=["schedules"])

SHOWN = 5
"""Next times that are shown."""


class LastView(BaseModel):
    """What became of the latest moment at which it was due."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    outcome: Literal["asked", "skipped", "failed"]
    due: datetime
    """When the run was to begin."""
    at: datetime
    """When the service acted on it."""
    request_id: str | None
    """The run that was asked for, or the one that stood in its way."""
    reason: str | None


class ScheduleView(ScheduleSpec):
    """A schedule, and when it is due."""

    name: str
    next_times: list[datetime]
    """When the next runs begin, jitter included."""
    last: LastView | None
    from_file: bool
    """Whether it is the `schedule` of a pipeline file."""
    version: int


class ScheduleList(BaseModel):
    """Schedules, by name."""

    schedules: list[ScheduleView]


Name = Annotated[str, Path(max_length=100, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]


@router.get("")
async def list_schedules(service: Here, caller: Reader) -> ScheduleList:
    """The organisation's schedules."""
    found = await asyncio.to_thread(schedules_of(service).of_org, caller.org)
    return ScheduleList(schedules=await asyncio.to_thread(lambda: [_view(each) for each in found]))


@router.get("/{name}", responses=problems.declared(404, 422))
async def one(service: Here, caller: Reader, name: Name) -> ScheduleView:
    """A schedule, when its next runs begin, and what became of the last."""
    return await asyncio.to_thread(_view, await _find(service, caller.org, name))


@router.put("/{name}", responses={201: {"description": "It was made."}, **problems.declared(400, 404, 422)})
async def put(service: Here, caller: Admin, name: Name, asked: ScheduleSpec, response: Response) -> ScheduleView:
    """Make a schedule, or change it. What it asks for is checked as if it were asked for now."""
    made = await asyncio.to_thread(schedules_of(service).put, caller.org, name, asked)
    if made.version == 1:
        response.status_code = 201
    return await asyncio.to_thread(_view, made)


@router.delete("/{name}", status_code=204, responses=problems.declared(404, 422))
async def delete(service: Here, caller: Admin, name: Name) -> None:
    """Delete a schedule; runs that it has asked for go on."""
    if not await asyncio.to_thread(schedules_of(service).delete, caller.org, name):
        raise problems.not_found("schedule", name, hint="GET /schedules lists them")


@router.post("/{name}/run", status_code=202, responses=problems.declared(404, 409, 422))
async def run(service: Here, caller: Runner, name: Name) -> Accepted:
    """Ask for its run now. Its own times stay as they are."""
    spec = (await _find(service, caller.org, name)).spec
    made = await asyncio.to_thread(
        ask_for_run,
        service,
        org=caller.org,
        pipeline=spec.pipeline,
        inputs=spec.inputs,
        destination=spec.destination,
        asked_by=caller.name,
    )
    return Accepted(request_id=made.request_id)


def schedules_of(service: Service) -> Schedules:
    """The schedules that ``service`` keeps and fires."""

    def check(org: str, spec: ScheduleSpec) -> object:
        name, _ = service.config.destination(spec.destination)
        asked = Request("check", spec.pipeline, org=org, destination=name, inputs=spec.inputs)
        return prepare_request(service.config, service.catalogue, asked)

    return Schedules(service.store, partial(ask_for_run, service), check)


def file_schedules(service: Service) -> dict[str, ScheduleSpec]:
    """The `schedule` of each pipeline that has one, by the pipeline's name. Raises UsageError for a file that is wrong."""
    drafts = {name: service.catalogue.draft(name).pipeline for name in service.catalogue.names()}
    return {
        name: ScheduleSpec(pipeline=name, cron=pipeline.schedule.cron, timezone=pipeline.schedule.timezone)
        for name, pipeline in drafts.items()
        if pipeline.schedule is not None
    }


async def _find(service: Service, org: str, name: str) -> Schedule:
    found = await asyncio.to_thread(schedules_of(service).get, org, name)
    if found is None:
        raise problems.not_found("schedule", name, hint="GET /schedules lists them")
    return found


def _view(schedule: Schedule) -> ScheduleView:
    last = schedule.last and LastView(
        outcome=schedule.last.outcome,
        due=schedule.last.due,
        at=schedule.last.at,
        request_id=schedule.last.request_id or None,
        reason=schedule.last.reason or None,
    )
    return ScheduleView(
        **schedule.spec.model_dump(),
        name=schedule.name,
        next_times=schedule.next_times(SHOWN),
        last=last,
        from_file=schedule.from_file,
        version=schedule.version,
    )
