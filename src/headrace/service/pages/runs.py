"""The list of runs, and one run: watch it, end it, go on with it, accept it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from starlette.requests import Request as Connection
from starlette.responses import Response

from headrace.core.clock import SystemClock
from headrace.service.context import Here, Service
from headrace.service.pages import live
from headrace.service.pages.render import address, fill, page
from headrace.service.pages.route import PageRoute, go
from headrace.service.pages.views import STATUSES, check_views, event_views, run_view, suspicions
from headrace.service.routes import runs as api
from headrace.service.routes.pipeline import find
from headrace.service.security import Reader, Runner
from headrace.state.progress.contract import ENDED, MAX_EVENTS, Request

router = APIRouter(prefix="/ui/runs", route_class=PageRoute, include_in_schema=False)

PAGE = 50
LINES = 200
"""Events that a run's page begins with."""

Before = Annotated[str | None, Query(pattern=r"^\d{1,17}~[\w.-]{1,100}$")]


@router.get("")
async def runs(
    service: Here,
    caller: Reader,
    pipeline: Annotated[str, Query(max_length=200)] = "",
    status: Annotated[str, Query(max_length=20)] = "",
    before: Before = None,
) -> Response:
    """The organisation's runs, the latest first."""
    created, _, run_id = (before or "").partition("~")
    found, names = await asyncio.gather(
        asyncio.to_thread(
            service.store.find,
            org=caller.org,
            pipeline=pipeline or None,
            status=(status,) if status in STATUSES else (),
            before=(int(created), run_id) if before else None,
            limit=PAGE + 1,
        ),
        asyncio.to_thread(service.catalogue.names, caller.org),
    )
    now = SystemClock().now()
    last = found[PAGE - 1] if len(found) > PAGE else None
    filters = {"pipeline": pipeline, "status": status}
    return page(
        "runs.html",
        here="/ui/runs",
        caller=caller,
        now=now,
        runs=[run_view(request, now) for request in found[:PAGE]],
        pipelines=sorted({*names, *([pipeline] if pipeline else [])}),
        statuses=STATUSES,
        chosen={**filters, "before": before},
        newest=address("/ui/runs", **filters),
        older=address("/ui/runs", **filters, before=f"{last.created_at}~{last.request_id}") if last else None,
    )


@router.get("/{run_id}")
async def run(service: Here, caller: Reader, run_id: str) -> Response:
    """One run."""
    request = (await find(service, caller, run_id)).request
    events = await asyncio.to_thread(_events, service, run_id)
    now = SystemClock().now()
    return page(
        "run.html",
        here="/ui/runs",
        caller=caller,
        now=now,
        run=run_view(request, now),
        rate=None,
        events=event_views(events)[:LINES],
        last_event=events[-1][0] if events else 0,
        checks=check_views(events),
        suspicions=suspicions(events) if request.status == "suspect" else [],
    )


@router.get("/{run_id}/live")
async def live_run(
    connection: Connection,
    service: Here,
    caller: Reader,
    run_id: str,
    after: Annotated[int, Query(ge=0)] = 0,
    last_event_id: Annotated[str | None, Header(pattern=r"^\d{1,15}$")] = None,
) -> Response:
    """Server-sent events: ``run`` is how it stands, ``events`` are new lines, ``said`` is for screen readers,
    ``ended`` comes last."""
    request = (await find(service, caller, run_id)).request
    changes = _changes(service, request, int(last_event_id or after))
    return live.stream(connection, changes, service.hub.closing)


@router.post("/{run_id}/cancel")
async def cancel(service: Here, caller: Runner, run_id: str) -> Response:
    """End it; what is fetched is committed."""
    await api.cancel(service, caller, run_id)
    return go(_path(run_id))


@router.post("/{run_id}/resume")
async def resume(service: Here, caller: Runner, run_id: str) -> Response:
    """Go on from the last commit."""
    await api.resume(service, caller, run_id)
    return go(_path(run_id))


@router.post("/{run_id}/accept")
async def accept(service: Here, caller: Runner, run_id: str) -> Response:
    """A person says that the suspect run was complete."""
    await api.accept(service, caller, run_id)
    return go(_path(run_id))


async def _changes(service: Service, request: Request, after: int) -> AsyncIterator[bytes]:
    pace = live.Pace()
    said = ""
    last = after
    following = service.hub.follow(request, after=after)
    try:
        async for news in following:
            now = SystemClock().now()
            view = run_view(news.request, now)
            rate = pace.add(news.request, now)
            last = max([last, *(number for number, _ in news.events)])
            yield live.message("run", fill("run_now.html", run=view, rate=rate, now=now), last)
            if lines := event_views(news.events):
                yield live.message("events", fill("events.html", events=lines), last)
            if view.said != said:
                said = view.said
                yield live.message("said", fill("said.html", texts=[said]), last)
            if news.request.status in ENDED:
                yield live.message("ended", news.request.status, last)
    finally:
        await following.aclose()


def _events(service: Service, run_id: str) -> list[tuple[int, dict[str, Any]]]:
    found: list[tuple[int, dict[str, Any]]] = []
    while batch := service.store.events(run_id, after=found[-1][0] if found else 0, limit=500):
        found += batch
        if len(found) >= MAX_EVENTS:
            break
    return found


def _path(run_id: str) -> str:
    return f"/ui/runs/{run_id}"
