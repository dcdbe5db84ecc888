"""The pipelines that can be started, and the form that starts one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from headrace.core.clock import SystemClock
from headrace.core.errors import HeadraceError, InputError, UsageError
from headrace.service.asking import ask_for_run
from headrace.service.context import Here, Service
from headrace.service.pages import forms
from headrace.service.pages.history import SHOWN, history
from headrace.service.pages.render import page
from headrace.service.pages.route import PageRoute, ProblemView, go, problem_of
from headrace.service.pages.views import RunView, run_view
from headrace.service.routes.pipeline import find
from headrace.service.security import Caller, Reader, Runner

router = APIRouter(prefix="/ui/pipelines", route_class=PageRoute, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class PipelineView:
    """A pipeline in the list. ``wrong``: its file cannot be read."""

    name: str
    description: str = ""
    steps: tuple[str, ...] = ()
    last: RunView | None = None
    wrong: bool = False


@router.get("")
async def pipelines(service: Here, caller: Reader) -> Response:
    """All pipelines."""
    now = SystemClock().now()
    found = await asyncio.to_thread(_all, service, caller, now)
    return page("pipelines.html", here="/ui/pipelines", caller=caller, now=now, pipelines=found)


@router.get("/{name}")
async def pipeline(
    service: Here, caller: Reader, name: str, like: Annotated[str, Query(max_length=100)] = ""
) -> Response:
    """The form of one pipeline; ``like`` is a run whose inputs fill it."""
    given: Mapping[str, Any] = {}
    destination = ""
    max_pages = ""
    if like:
        before = (await find(service, caller, like)).request
        given, destination = before.inputs, before.destination
        max_pages = str(before.options.get("max_pages") or "")
    return await asyncio.to_thread(_form, service, caller, name, given, destination, max_pages)


@router.post("/{name}/start")
async def start(service: Here, caller: Runner, name: str, request: Request) -> Response:
    """Start it with what the form says, or show the form again with what is wrong."""
    form = await request.form()
    sent = [(key, value) for key, value in form.multi_items() if isinstance(value, str)]
    return await asyncio.to_thread(_start, service, caller, name, sent)


def _start(service: Service, caller: Caller, name: str, sent: list[tuple[str, str]]) -> Response:
    inputs = service.catalogue.draft(name, caller.org).inputs
    fields = dict(sent)
    destination, max_pages = fields.get("destination", ""), fields.get("max_pages", "").strip()
    given: Mapping[str, Any] = {key.removeprefix(forms.PREFIX): value for key, value in sent if key != "destination"}
    try:
        given = forms.read(inputs, sent)
        if max_pages and (not max_pages.isdecimal() or not 0 < int(max_pages) <= 10**9):
            raise InputError(f"stop after: expected a whole number of pages, got {max_pages!r}")
        made = ask_for_run(
            service, org=caller.org, pipeline=name, inputs=given, destination=destination or None,
            max_pages=int(max_pages) if max_pages else None, asked_by=caller.name,
        )  # fmt: skip
    except UsageError as error:
        wrong = forms.blamed(error, inputs) if isinstance(error, InputError) else {}
        return _form(service, caller, name, given, destination, max_pages, problem_of(error), wrong)
    return go(f"/ui/runs/{made.request_id}")


def _form(
    service: Service,
    caller: Caller,
    name: str,
    given: Mapping[str, Any],
    destination: str,
    max_pages: str,
    problem: ProblemView | None = None,
    wrong: Mapping[str, str] | None = None,
) -> Response:
    draft = service.catalogue.draft(name, caller.org)
    now = SystemClock().now()
    runs = [run_view(each, now) for each in service.store.find(org=caller.org, pipeline=name, limit=SHOWN + 5)]
    return page(
        "start.html",
        here="/ui/pipelines",
        caller=caller,
        status=problem.status if problem else 200,
        now=now,
        name=name,
        description=draft.pipeline.description or "",
        steps=[entry.title or entry.step for entry in draft.pipeline.steps],
        fields=forms.fields(draft.inputs, given, wrong),
        destinations=list(service.config.destinations),
        destination=destination or service.config.destination(None)[0],
        max_pages=max_pages,
        past=history(runs),
        problem=problem,
    )


def _all(service: Service, caller: Caller, now: int) -> list[PipelineView]:
    found = []
    for name in service.catalogue.names(caller.org):
        last = service.store.find(org=caller.org, pipeline=name, limit=1)
        view = run_view(last[0], now) if last else None
        try:
            draft = service.catalogue.draft(name, caller.org)
        except HeadraceError:
            found.append(PipelineView(name, last=view, wrong=True))
            continue
        titles = tuple(entry.title or entry.step for entry in draft.pipeline.steps)
        found.append(PipelineView(name, draft.pipeline.description or "", titles, view))
    return found
