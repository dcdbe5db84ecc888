"""Ask for a run; how far is it?"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from headrace.service import problems
from headrace.service.asking import ask_for_run
from headrace.service.context import Here, Service
from headrace.service.security import Caller, Reader, Runner
from headrace.service.views import RunView, view
from headrace.state.progress.contract import ENDED, Request

router = APIRouter(prefix="/pipeline", tags=["pipeline"])

MAX_WAIT = 60.0
"""Seconds that a status may be waited for."""


class Update(BaseModel):
    """The run that is asked for. Everything has a default."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    pipeline: str | None = Field(None, max_length=200)
    """Name of a pipeline; by default the service's default one."""
    inputs: dict[str, Any] = Field(default_factory=dict)
    """What the pipeline asks for, by name."""
    destination: str | None = Field(None, max_length=200)
    """Name of one of the service's databases; by default the default one."""
    steps: list[str] = Field(default_factory=list, max_length=100)
    """Only these steps."""
    max_pages: int | None = Field(None, ge=1, le=10**9)
    """Pause after this many pages of each stream."""


class Accepted(BaseModel):
    """The run is queued; its status answers from now on."""

    request_id: str


IdempotencyKey = Annotated[
    str | None,
    Header(
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="A text of your own: sent again, it gives the run that it made the first time.",
    ),
]


@router.post("/update", status_code=202, responses=problems.declared(400, 409, 422))
async def update(
    service: Here,
    caller: Runner,
    response: Response,
    asked: Update | None = None,
    idempotency_key: IdempotencyKey = None,
) -> Accepted:
    """Queue a run and answer at once. 409 names the run of the same pipeline, inputs and destination that is queued
    or running already."""
    asked = asked or Update()
    made = await asyncio.to_thread(
        ask_for_run,
        service,
        org=caller.org,
        pipeline=asked.pipeline,
        inputs=asked.inputs,
        destination=asked.destination,
        steps=asked.steps,
        max_pages=asked.max_pages,
        key=idempotency_key or "",
        asked_by=caller.name,
    )
    response.headers["Location"] = f"/pipeline/status/{made.request_id}"
    return Accepted(request_id=made.request_id)


Wait = Annotated[
    float, Query(ge=0, le=MAX_WAIT, description="Seconds to wait for a change of status, step or progress.")
]


@router.get("/status", responses=problems.declared(404, 422))
async def current(service: Here, caller: Reader, wait: Wait = 0) -> RunView:
    """The run that is going on, else the one that ended last."""
    found = await asyncio.to_thread(service.store.latest, org=caller.org)
    if found is None:
        raise problems.Refusal(404, "no run has been asked for yet", hint="POST /pipeline/update asks for one")
    return view(await _after(service, found, wait))


@router.get("/status/{request_id}", responses=problems.declared(404, 422))
async def status(service: Here, caller: Reader, request_id: str, wait: Wait = 0) -> RunView:
    """How far a run is. With ``wait`` the answer comes when status, step or progress change, or the time is up."""
    return view(await _after(service, await find(service, caller, request_id), wait))


async def find(service: Service, caller: Caller, request_id: str) -> Request:
    """The caller's run. Raises Refusal (404) for one that is not there or is another organisation's."""
    found = await asyncio.to_thread(service.store.get, request_id)
    if found is None or found.org != caller.org:
        raise problems.not_found("run", request_id, hint="GET /runs lists them")
    return found


async def _after(service: Service, known: Request, wait: float) -> Request:
    """``known``, or what becomes of it within ``wait`` seconds."""
    if not wait or known.status in ENDED:
        return known

    async def change() -> Request:
        async for news in service.hub.follow(known):
            now = news.request
            if (now.status, now.step, now.progress) != (known.status, known.step, known.progress):
                return now
        return known

    try:
        return await asyncio.wait_for(change(), wait)
    except TimeoutError:
        return (await asyncio.to_thread(service.store.get, known.request_id)) or known
