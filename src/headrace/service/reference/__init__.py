"""The API's description as a page at ``/docs``: Swagger UI as its makers publish it, sent from here, since a page of
this service asks nobody else for anything and holds no script of its own."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from starlette.responses import FileResponse
from starlette.staticfiles import StaticFiles

STATIC = Path(__file__).parent / "static"


def install(app: FastAPI) -> None:
    """Add ``/docs`` to ``app``."""

    @app.get("/docs", include_in_schema=False)
    async def reference() -> FileResponse:
        return FileResponse(STATIC / "index.html", media_type="text/html")

    app.mount("/docs/static", StaticFiles(directory=STATIC), name="reference")
