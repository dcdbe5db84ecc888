"""Runs as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from headrace.core.clock import as_datetime
from headrace.state.progress.contract import ENDED, Request

Status = Literal["queued", "running", "done", "partial", "suspect", "failed", "interrupted", "cancelled"]


class RunView(BaseModel):
    """A run: what was asked for, and how far it is."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    request_id: str
    """Its id; also the run id in the database and on the command line."""
    pipeline: str
    destination: str
    """Name of the database in the service's configuration."""
    org: str
    inputs: dict[str, Any]
    options: dict[str, Any]
    status: Status
    running: bool
    """Whether it is queued or running."""
    step: str
    """Title of the step it is at."""
    progress: float | None = Field(ge=0, le=100)
    """Percent; null while nobody knows how much there is."""
    rows: int
    pages: int
    requests: int
    steps: list[dict[str, Any]]
    """Counts of each step."""
    error: str | None
    """Why it failed."""
    remedy: str | None
    """What to do about it."""
    created_at: datetime
    started_at: datetime | None
    updated_at: datetime | None
    finished_at: datetime | None


def view(request: Request) -> RunView:
    """``request`` as it is shown."""
    return RunView(
        request_id=request.request_id,
        pipeline=request.pipeline,
        destination=request.destination,
        org=request.org,
        inputs=_text(request.inputs),
        options=_text(request.options),
        status=request.status,
        running=request.status not in ENDED,
        step=request.step,
        progress=request.progress,
        rows=request.rows,
        pages=request.pages,
        requests=request.requests,
        steps=_text(list(request.detail.get("steps", ()))),
        error=request.error or None,
        remedy=request.remedy or None,
        created_at=as_datetime(request.created_at),
        started_at=as_datetime_or_none(request.started_at),
        updated_at=as_datetime_or_none(request.updated_at),
        finished_at=as_datetime_or_none(request.finished_at),
    )


def _text(value: Any) -> Any:
    """``value`` without half a surrogate pair, which the store keeps and no answer can hold."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {_text(key): _text(item) for key, item in value.items()}
    return [_text(item) for item in value] if isinstance(value, list) else value


def as_datetime_or_none(micros: int | None) -> datetime | None:
    """``micros`` as a time; 0 is none."""
    return as_datetime(micros) if micros else None
