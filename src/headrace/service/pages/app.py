"""The pages as a part of the service's application."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from headrace.service.pages import login, overview, pipelines, quality, runs, schedules, tables
from headrace.service.pages.render import STATIC


def install(app: FastAPI) -> None:
    """Add the dashboard at ``/`` and ``/ui/`` to ``app``."""
    app.mount("/ui/static", StaticFiles(directory=STATIC), name="static")
    for room in (login, overview, runs, pipelines, tables, quality, schedules):
        app.include_router(room.router)
