"""What the runs of this instance add up to, for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse

from headrace.service.context import Here
from headrace.service.keys import OPERATOR
from headrace.service.problems import Refusal
from headrace.service.security import Reader

router = APIRouter(tags=["health"])

TEXT = "text/plain; version=0.0.4; charset=utf-8"


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(service: Here, caller: Reader) -> PlainTextResponse:
    """Counts in the text exposition format, of all organisations since this instance was started: for a key of the
    operator's organisation alone."""
    if caller.org != OPERATOR:
        raise Refusal(403, "metrics are of all organisations", hint=f"ask with a key of the organisation {OPERATOR}")
    return PlainTextResponse(service.worker.metrics.render(), media_type=TEXT)
