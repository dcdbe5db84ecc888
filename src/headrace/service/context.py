"""What the routes of one service share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, ParamSpec, TypeVar

from fastapi import Depends
from starlette.requests import HTTPConnection

from headrace.service.catalogue import Catalogue
from headrace.service.config import ServiceConfig
from headrace.service.hub import Hub
from headrace.service.worker import Worker
from headrace.state.progress.contract import ProgressStore

T = TypeVar("T")
P = ParamSpec("P")

LOOKS = 8
"""Databases of pipelines, and APIs, that are asked at the same time."""


@dataclass(frozen=True)
class Service:
    """The parts of a running service. The store's methods block: call them through ``asyncio.to_thread``."""

    config: ServiceConfig
    store: ProgressStore
    catalogue: Catalogue
    worker: Worker
    hub: Hub
    looks: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(LOOKS, "headrace-look"), init=False, compare=False
    )

    async def look(self, work: Callable[P, T], *given: P.args, **more: P.kwargs) -> T:
        """What ``work`` returns. For what may take long: however many of it wait for a database, status is answered."""
        return await asyncio.get_running_loop().run_in_executor(self.looks, partial(work, *given, **more))


async def service_of(connection: HTTPConnection) -> Service:
    """The service that answers ``connection``."""
    found: Service = connection.app.state.service
    return found


Here = Annotated[Service, Depends(service_of)]
"""Annotates a route's parameter that takes the service."""
