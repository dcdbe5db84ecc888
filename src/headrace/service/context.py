"""What the routes of one service share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from headrace.service.catalogue import Catalogue
from headrace.service.config import ServiceConfig
from headrace.service.hub import Hub
from headrace.service.worker import Worker
from headrace.state.progress.contract import ProgressStore


@dataclass(frozen=True)
class Service:
    """The parts of a running service. The store's methods block: call them through ``asyncio.to_thread``."""

    config: ServiceConfig
    store: ProgressStore
    catalogue: Catalogue
    worker: Worker
    hub: Hub


async def service_of(connection: HTTPConnection) -> Service:
    """The service that answers ``connection``."""
    found: Service = connection.app.state.service
    return found


Here = Annotated[Service, Depends(service_of)]
"""Annotates a route's parameter that takes the service."""
