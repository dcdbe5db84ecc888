"""Schedules: which there are, when they are due, and what became of the last time."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError
from starlette.responses import Response as Answer

from headrace.core.clock import SystemClock
from headrace.core.errors import InputError, UsageError
from headrace.core.templates import as_text
from headrace.service.context import Here, Service
from headrace.service.pages import forms, words
from headrace.service.pages.render import page
from headrace.service.pages.route import PageRoute, ProblemView, go, problem_of
from headrace.service.routes import schedules as api
from headrace.service.routes.schedules import ScheduleView
from headrace.service.schedules import ScheduleSpec
from headrace.service.security import Admin, Caller, Reader, Runner

router = APIRouter(prefix="/ui/schedules", route_class=PageRoute, include_in_schema=False)

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_TEXTS = ("name", "pipeline", "destination", "cron", "timezone", "jitter_seconds", "missed", "inputs")
_NEW = {"timezone": "UTC", "cron": "0 6 * * *", "jitter_seconds": "0", "missed": "once"}


@dataclass(frozen=True, slots=True)
class Line:
    """A schedule in the list. Times are microseconds since 1970 UTC, 0 where there is none."""

    name: str
    pipeline: str
    destination: str
    cron: str
    zone: str
    enabled: bool
    from_file: bool
    inputs: Sequence[tuple[str, str]]
    next_at: int
    last_at: int
    outcome: str
    run_id: str
    reason: str


@router.get("")
async def schedules(service: Here, caller: Reader) -> Answer:
    """All schedules of the organisation, and the form that makes one."""
    return await _page(service, caller, _NEW)


@router.post("")
async def make(service: Here, caller: Admin, request: Request) -> Answer:
    """Make a schedule, or show the form again with what is wrong."""
    form = await request.form()
    given = {name: str(form.get(name) or "").strip() for name in _TEXTS}
    try:
        spec = _spec(given)
        await api.put(service, caller, given["name"], spec, Response())
    except ValidationError as error:
        lines = "\n".join(f"{e['loc'][-1]}: {e['msg'].removeprefix('Value error, ')}" for e in error.errors())
        return await _page(service, caller, given, ProblemView("That does not fit", lines, status=422))
    except UsageError as error:
        return await _page(service, caller, given, problem_of(error))
    return go("/ui/schedules")


@router.post("/{name}/run")
async def run_now(service: Here, caller: Runner, name: str) -> Answer:
    """Ask for its run now."""
    return go(f"/ui/runs/{(await api.run(service, caller, name)).request_id}")


@router.post("/{name}/pause")
async def pause(service: Here, caller: Admin, name: str) -> Answer:
    """Let it rest."""
    return await _enable(service, caller, name, False)


@router.post("/{name}/go-on")
async def go_on(service: Here, caller: Admin, name: str) -> Answer:
    """Let it run again."""
    return await _enable(service, caller, name, True)


@router.post("/{name}/delete")
async def delete(service: Here, caller: Admin, name: str) -> Answer:
    """Forget it; runs that it has asked for go on."""
    await api.delete(service, caller, name)
    return go("/ui/schedules")


async def _enable(service: Service, caller: Caller, name: str, enabled: bool) -> Answer:
    there = await api.one(service, caller, name)
    spec = ScheduleSpec(**{field: getattr(there, field) for field in ScheduleSpec.model_fields}).model_copy(
        update={"enabled": enabled}
    )
    await api.put(service, caller, name, spec, Response())
    return go("/ui/schedules")


def _spec(given: Mapping[str, str]) -> ScheduleSpec:
    """Raises InputError, or ValidationError for a cron expression or time zone that there is not."""
    if not _NAME.fullmatch(given["name"]):
        raise InputError(
            f"name: {given['name']!r} cannot name a schedule", hint="letters, digits, '_', '-' and '.', at most 100"
        )
    lines = forms.members("inputs", given["inputs"])
    return ScheduleSpec.model_validate(
        {
            "pipeline": given["pipeline"], "destination": given["destination"] or None, "cron": given["cron"],
            "timezone": given["timezone"] or "UTC", "jitter_seconds": given["jitter_seconds"] or 0,
            "missed": given["missed"] or "once", "inputs": lines,
        }
    )  # fmt: skip


async def _page(
    service: Service, caller: Caller, given: Mapping[str, Any], problem: ProblemView | None = None
) -> Answer:
    found = await api.list_schedules(service, caller)
    names = await asyncio.to_thread(service.catalogue.names, caller.org)
    return page(
        "schedules.html",
        here="/ui/schedules",
        caller=caller,
        status=problem.status if problem else 200,
        now=SystemClock().now(),
        schedules=[_line(each) for each in found.schedules],
        pipelines=names,
        destinations=list(service.config.destinations),
        given={name: given.get(name, "") for name in _TEXTS},
        problem=problem,
        may_change="admin" in caller.scopes,
    )


def _line(found: ScheduleView) -> Line:
    last = found.last
    jitter = f", up to {words.span(found.jitter_seconds)} later" if found.jitter_seconds else ""
    return Line(
        name=found.name,
        pipeline=found.pipeline,
        destination=found.destination or "",
        cron=found.cron,
        zone=found.timezone + jitter,
        enabled=found.enabled,
        from_file=found.from_file,
        inputs=[(name, words.short(as_text(value), 60)) for name, value in found.inputs.items()],
        next_at=_micros(found.next_times[0]) if found.next_times and found.enabled else 0,
        last_at=_micros(last.at) if last else 0,
        outcome=last.outcome if last else "",
        run_id=(last.request_id or "") if last else "",
        reason=(last.reason or "") if last else "",
    )


def _micros(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000)
