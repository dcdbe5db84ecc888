"""What the quality checks of a destination found last."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from headrace.core.clock import SystemClock
from headrace.core.errors import CannotOpen, DestinationBusy
from headrace.inspect.quality import CheckState, check_states
from headrace.service.context import Here
from headrace.service.pages.render import page
from headrace.service.pages.route import PageRoute, problem_of
from headrace.service.pages.tables import opened
from headrace.service.security import Reader

router = APIRouter(prefix="/ui/quality", route_class=PageRoute, include_in_schema=False)


@router.get("")
async def quality(service: Here, caller: Reader, destination: Annotated[str, Query(max_length=200)] = "") -> Response:
    """The latest result of every check."""

    def read() -> dict[str, Any]:
        name, _ = service.config.destination(destination or None)
        found: list[CheckState] = []
        problem = None
        try:
            with opened(service, name) as (session, target):
                found = check_states(session, target, org=caller.sees)
        except DestinationBusy as error:
            problem = problem_of(error)
        except CannotOpen:
            pass  # no run has made it yet
        return {"destination": name, "checks": found, "problem": problem}

    values = await service.look(read)
    return page(
        "quality.html",
        here="/ui/quality",
        caller=caller,
        now=SystemClock().now(),
        destinations=list(service.config.destinations),
        **values,
    )
