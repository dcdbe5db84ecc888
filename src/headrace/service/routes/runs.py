"""Runs: find them, watch them, end them, go on with them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request as Connection
from starlette.responses import Response, StreamingResponse

from headrace.service import problems
from headrace.service.context import Here, Service
from headrace.service.hub import News
from headrace.service.routes.pipeline import Accepted, find, shown_json
from headrace.service.security import Reader, Runner, while_admitted
from headrace.service.views import RunView, Status, view
from headrace.service.worker import AGAIN
from headrace.state.progress.contract import ENDED, Request

router = APIRouter(prefix="/runs", tags=["runs"])

KEEP_ALIVE = 15.0
"""Seconds after which a silent stream says that it lives."""


class RunList(BaseModel):
    """Runs, newest first."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    runs: list[RunView]
    next: str | None
    """Value of ``before`` for the page after this one; null on the last."""


@router.get("", responses=problems.declared(422))
async def list_runs(
    service: Here,
    caller: Reader,
    pipeline: Annotated[str | None, Query(max_length=200)] = None,
    status: Annotated[list[Status] | None, Query(description="Only these; may be repeated.")] = None,
    before: Annotated[
        str | None, Query(pattern=r"^\d{1,17}~[\w.-]{1,100}$", description="Where the page before this one ended.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> RunList:
    """The organisation's runs, newest first."""
    created, _, request_id = (before or "").partition("~")
    found = await asyncio.to_thread(
        service.store.find,
        org=caller.org,
        pipeline=pipeline,
        status=tuple(status or ()),
        before=(int(created), request_id) if before else None,
        limit=limit + 1,
    )
    last = found[limit - 1] if len(found) > limit else None
    return RunList(
        runs=[view(request) for request in found[:limit]], next=f"{last.created_at}~{last.request_id}" if last else None
    )


@router.get("/{request_id}", response_model=RunView, responses=problems.declared(404, 422))
async def one(service: Here, caller: Reader, request_id: str) -> Response:
    """How far a run is, with the counts of each step."""
    return shown_json(await find(service, caller, request_id))


@router.get(
    "/{request_id}/events",
    response_class=Response,
    responses={
        200: {"description": "Events of the run, and its status whenever it changes.",
              "content": {"text/event-stream": {}}},
        204: {"description": "It has ended, and the client has seen everything."},
        **problems.declared(404, 422),
    },
)  # fmt: skip
async def events(
    service: Here,
    caller: Reader,
    connection: Connection,
    request_id: str,
    last_event_id: Annotated[str | None, Header(pattern=r"^\d{1,15}$")] = None,
) -> Response:
    """Server-sent events: each event of the run under its number (`Last-Event-ID` goes on after it), a `status`
    whenever that changes, and `end` when the run has ended."""
    request = (await find(service, caller, request_id)).request
    after = int(last_event_id or 0)
    if last_event_id is not None and request.status in ENDED:
        left = await asyncio.to_thread(service.store.events, request_id, after=after, limit=1)
        if not left:
            return Response(status_code=204)
    return StreamingResponse(
        while_admitted(connection, _stream(service, request, after)),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store"},
    )


@router.post("/{request_id}/cancel", status_code=202, responses=problems.declared(404, 409, 422))
async def cancel(service: Here, caller: Runner, request_id: str) -> Accepted:
    """End a run: what is fetched is committed, and it can be resumed. 409 when it has ended already."""
    await find(service, caller, request_id)
    if not await asyncio.to_thread(service.store.ask_cancel, request_id):
        raise problems.Refusal(409, f"run {request_id} has ended", request_id=request_id)
    service.worker.cancel(request_id)
    service.hub.poke(request_id)
    return Accepted(request_id=request_id)


class Resume(BaseModel):
    """How a run is to go on."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    max_pages: int | None = Field(None, ge=1, le=10**9)
    """Pause after this many further pages of each stream."""


@router.post("/{request_id}/resume", status_code=202, responses=problems.declared(400, 404, 409, 422))
async def resume(service: Here, caller: Runner, request_id: str, asked: Resume | None = None) -> Accepted:
    """Go on with a run that has ended before its end, from its last commit. 409 when it is done, or going on."""
    found = (await find(service, caller, request_id)).request
    if found.status in ("done", "suspect"):
        hint = "POST /runs/{request_id}/accept takes it as complete" if found.status == "suspect" else ""
        raise problems.Refusal(409, f"run {request_id} is {found.status}", hint=hint, request_id=request_id)
    again = {"max_pages": asked.max_pages if asked else None}
    return await asyncio.to_thread(go_on, service, found, again)


@router.post("/{request_id}/accept", status_code=202, responses=problems.declared(404, 409, 422))
async def accept(service: Here, caller: Runner, request_id: str) -> Accepted:
    """Take a suspect run as complete: its replaced tables are exchanged, and absences count. Makes no request."""
    found = (await find(service, caller, request_id)).request
    if found.status != "suspect":
        raise problems.Refusal(409, f"run {request_id} is {found.status}, not suspect", request_id=request_id)
    return await asyncio.to_thread(go_on, service, found, {"accept": True})


def go_on(service: Service, request: Request, again: dict[str, Any]) -> Accepted:
    """Queue a run that has ended, and say how it is to go on. Blocks. Raises Refusal (409) when it has not ended."""
    if request.status in ENDED:  # of one that goes on, how it was to go on is not touched
        service.store.put(AGAIN, request.request_id, again)
    if request.status not in ENDED or not service.store.reopen(request.request_id):
        raise problems.Refusal(409, f"run {request.request_id} has not ended", request_id=request.request_id)
    service.hub.poke(request.request_id)
    service.worker.wake()
    return Accepted(request_id=request.request_id)


async def _stream(service: Service, request: Request, after: int) -> AsyncGenerator[bytes]:
    following = service.hub.follow(request, after=after, idle=KEEP_ALIVE)
    last: News | None = None
    try:
        async for news in following:
            same = last is not None and not news.events and news.shown is last.shown
            yield b": alive\n\n" if same else news.messages
            last = news
    finally:
        await following.aclose()
