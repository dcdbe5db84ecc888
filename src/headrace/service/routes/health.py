"""Whether the service lives, and whether it can work."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from pydantic import BaseModel

from headrace.service.context import Here
from headrace.service.problems import Refusal

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """A sign of life."""

    status: str = "ok"


@router.get("/healthz")
async def alive() -> Health:
    """The process answers."""
    return Health()


@router.get("/readyz")
async def ready(service: Here) -> Health:
    """The store can be reached and runs are taken; 503 otherwise."""
    if service.hub.closing.is_set():
        raise Refusal(503, "the service is stopping")
    await asyncio.to_thread(service.store.ping)
    return Health()
