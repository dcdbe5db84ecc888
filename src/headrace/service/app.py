"""The ASGI application: everything of one service, put together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

from headrace._version import __version__
from headrace.core.errors import HeadraceError
from headrace.service import problems, reference
from headrace.service.asking import prepare_request
from headrace.service.catalogue import Catalogue
from headrace.service.config import ServiceConfig
from headrace.service.context import Service
from headrace.service.front import Front
from headrace.service.hub import Hub
from headrace.service.keys import Keys
from headrace.service.pages import app as pages
from headrace.service.routes import (
    health,
    integrations,
    keys,
    metrics,
    pipeline,
    pipelines,
    runs,
    schedules,
    tables,
    titles,
)
from headrace.service.schedules import Scheduler
from headrace.service.security import Gate
from headrace.service.worker import Worker
from headrace.state.progress.contract import ProgressStore
from headrace.state.progress.open import open_progress

EVERYWHERE = (401, 403, 408, 413, 421, 429, 500, 503)
"""Statuses that any route may answer with."""


class Application(FastAPI):
    """FastAPI with :class:`~headrace.service.front.Front` before everything, its answers to errors included."""

    def __init__(self, config: ServiceConfig, **settings: Any) -> None:
        self._config = config
        super().__init__(**settings)

    def build_middleware_stack(self) -> ASGIApp:
        return Front(super().build_middleware_stack(), self._config)


def create_app(config: ServiceConfig, *, store: ProgressStore | None = None) -> FastAPI:
    """The service as an ASGI application; its worker runs while the application does (its lifespan).

    ``store`` is opened from the configuration, and closed at the end, unless given. Raises UsageError or StateError for
    a configuration that cannot work.
    """
    progress = store or open_progress(config.progress, config.state)
    catalogue = Catalogue(config, progress)
    hub = Hub(progress)
    worker = Worker(config, progress, partial(prepare_request, config, catalogue), hub.poke)
    service = Service(config, progress, catalogue, worker, hub)
    kept = schedules.schedules_of(service)
    if config.file_schedules:
        try:
            kept.take_files(schedules.file_schedules(service))
        except HeadraceError:
            if store is None:
                progress.close()
            raise
    scheduler = Scheduler(kept)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        hub.start()
        worker.start()
        scheduler.start()
        try:
            yield
        finally:
            hub.close_soon()
            await asyncio.to_thread(scheduler.stop)
            app.state.drained = await asyncio.to_thread(worker.drain, config.drain_seconds)
            service.looks.shutdown(wait=False, cancel_futures=True)
            if store is None:
                progress.close()

    app = Application(
        config,
        title="Headrace",
        version=__version__,
        description="Runs pipelines from web APIs into databases, and shows how far they are.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        responses=problems.declared(*EVERYWHERE),
    )
    app.state.service = service
    app.state.gate = Gate(config, Keys(progress))
    problems.install(app)
    for routes in (pipeline, runs, schedules, pipelines, tables, titles, integrations, keys, health, metrics):
        app.include_router(routes.router)
    reference.install(app)
    pages.install(app)
    return app
