"""Ask for a run; how far is it?"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from headrace.service import problems
from headrace.service.asking import ask_for_run
from headrace.service.context import Here, Service
from headrace.service.hub import Shown
from headrace.service.security import Caller, Reader, Runner
from headrace.service.views import RunView
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


@router.get("/status", response_model=RunView, responses=problems.declared(404, 422))
async def current(service: Here, caller: Reader, wait: Wait = 0) -> Response:
    """The run that is going on, else the one that ended last."""
    found = await asyncio.to_thread(service.store.latest, org=caller.org)
    if found is None:
        raise problems.Refusal(404, "no run has been asked for yet", hint="POST /pipeline/update asks for one")
    return shown_json(await _after(service, Shown(found), wait))


@router.get("/status/{request_id}", response_model=RunView, responses=problems.declared(404, 422))
async def status(service: Here, caller: Reader, request_id: str, wait: Wait = 0) -> Response:
    """How far a run is. With ``wait`` the answer comes when status, step or progress change, or the time is up."""
    return shown_json(await _after(service, await find(service, caller, request_id), wait))


def shown_json(shown: Shown) -> Response:
    """A run as an answer."""
    return Response(shown.json, media_type="application/json")


async def find(service: Service, caller: Caller, request_id: str) -> Shown:
    """The caller's run. Raises Refusal (404) for one that is not there or is another organisation's."""
    found = await service.hub.look(request_id)
    if found is None or found.request.org != caller.org:
        raise problems.not_found("run", request_id, hint="GET /runs lists them")
    return found


async def _after(service: Service, known: Shown, wait: float) -> Shown:
    """``known``, or what becomes of it within ``wait`` seconds."""
    if not wait or known.request.status in ENDED:
        return known
    following = service.hub.follow(known.request)
    try:
        async with asyncio.timeout(wait):
            async for news in following:
                if _place(news.request) != _place(known.request):
                    return news.shown
    except TimeoutError:
        return await service.hub.look(known.request.request_id) or known
    finally:
        await following.aclose()
    return known


def _place(request: Request) -> tuple[object, ...]:
    return request.status, request.step, request.progress
