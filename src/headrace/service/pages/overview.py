"""The first page: what runs, what waits for a person, what came before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from starlette.responses import Response

from headrace.core.clock import SystemClock
from headrace.core.errors import StateError
from headrace.service.context import Here, Service
from headrace.service.pages import live
from headrace.service.pages.history import SHOWN, history
from headrace.service.pages.render import fill, page
from headrace.service.pages.route import PageRoute
from headrace.service.pages.views import RunView, run_view
from headrace.service.security import Caller, Reader

router = APIRouter(route_class=PageRoute, include_in_schema=False)

RECENT = 8
LIVE_RUNS = 20
WAITING = ("suspect", "failed")


@router.get("/")
async def overview(service: Here, caller: Reader) -> Response:
    """The first page."""
    now = SystemClock().now()
    running = await _running(service, caller, now)
    found = await asyncio.to_thread(service.store.find, org=caller.org, limit=SHOWN + LIVE_RUNS)
    recent = [run_view(request, now) for request in found]
    return page(
        "overview.html",
        here="/",
        caller=caller,
        now=now,
        running=running,
        recent=recent[:RECENT],
        attention=_attention(recent),
        past=history(recent),
        default_pipeline=service.config.default_pipeline,
    )


@router.get("/ui/live")
async def live_runs(request: Request, service: Here, caller: Reader) -> Response:
    """Server-sent events: ``running`` is the panel of running runs, ``ended`` says that one has ended."""
    return live.stream(request, _changes(service, caller), service.hub.closing)


async def _changes(service: Service, caller: Caller) -> AsyncIterator[bytes]:
    seen: dict[str, tuple[object, ...]] | None = None
    while True:
        now = SystemClock().now()
        try:
            runs = await _running(service, caller, now)
            gone = [] if seen is None else [run_id for run_id in seen if all(run.id != run_id for run in runs)]
            said = await _said(service, gone) if gone else ""
        except StateError:  # away for now: what is shown stays
            await asyncio.sleep(live.EVERY)
            continue
        stands: dict[str, tuple[object, ...]] = {
            run.id: (run.word, run.updated_at, run.percent, run.rows) for run in runs
        }
        if stands != seen:
            yield live.message("running", fill("running.html", running=runs, now=now))
            if gone:
                yield live.message("said", said)
                yield live.message("ended", "ended")
            seen = stands
        await asyncio.sleep(live.EVERY)


async def _said(service: Service, gone: list[str]) -> str:
    now = SystemClock().now()
    found = [await asyncio.to_thread(service.store.get, run_id) for run_id in gone]
    return fill("said.html", texts=[run_view(request, now).said for request in found if request])


async def _running(service: Service, caller: Caller, now: int) -> list[RunView]:
    found = await asyncio.to_thread(service.store.find, org=caller.org, status=("running", "queued"), limit=LIVE_RUNS)
    views = [run_view(request, now) for request in found]
    return sorted(views, key=lambda run: run.status == "queued")


def _attention(recent: list[RunView]) -> list[RunView]:
    """The latest run of each pipeline and destination, where it waits for a person."""
    latest: dict[tuple[str, str, object], RunView] = {}
    for run in recent:
        latest.setdefault((run.pipeline, run.destination, tuple(run.inputs)), run)
    return [run for run in latest.values() if run.status in WAITING][:5]
