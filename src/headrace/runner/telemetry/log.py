"""Structured logs of a run: one line per state change and commit."""

from __future__ import annotations

import sys
from dataclasses import fields
from typing import Any, TextIO

from headrace.core import events
from headrace.core.events import Event

_DETAIL = (events.RequestSent, events.PageFetched, events.Waiting)
_WARNINGS = (events.Warned, events.Suspicion, events.SliceFailed, events.RequestRetried, events.RecordsRejected)
LONGEST = 200
"""Characters of a cursor or a reason that a log line shows."""


class LogSink:
    """A line for each event, under its name, to ``stream`` (stderr unless told); requests, pages and waits only at
    ``verbose`` 2. ``log_format`` is ``json`` or ``console``. A commit's line has run, step, pages, page_number,
    cursor and rows."""

    def __init__(self, log_format: str = "json", verbose: int = 1, stream: TextIO | None = None) -> None:
        import structlog

        stream = stream or sys.stderr
        last: structlog.typing.Processor
        if log_format == "json":
            last = structlog.processors.JSONRenderer(default=str)
        else:
            last = structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=0, sort_keys=False)
        self._log = structlog.wrap_logger(
            structlog.PrintLogger(stream),
            processors=[structlog.processors.TimeStamper(fmt="iso", utc=True), last],
        )
        self._verbose = verbose

    def emit(self, event: Event) -> None:
        if isinstance(event, _DETAIL) and self._verbose < 2:
            return
        level = "warning" if isinstance(event, _WARNINGS) else "info"
        if isinstance(event, events.QualityChecked) and not event.passed:
            level = "error" if event.severity == "fail" else "warning"
        if isinstance(event, events.RunFinished) and event.status == "failed":
            level = "error"
        self._log.msg(_snake(type(event).__name__), level=level, **_fields(event))


def _fields(event: Event) -> dict[str, Any]:
    """The event's fields that say something; ``rows`` as one number, since a line is read as a whole."""
    found: dict[str, Any] = {}
    for field in fields(event):
        value = getattr(event, field.name)
        if value is None or (isinstance(value, str | tuple | list | dict) and not value):
            continue
        if field.name == "rows":
            value = sum(value.values())
        elif isinstance(value, float):
            value = round(value, 4)
        elif field.name != "run_id" and not isinstance(value, bool | int):
            text = value if isinstance(value, str) else repr(dict(value) if hasattr(value, "keys") else value)
            value = text if len(text) <= LONGEST else text[:LONGEST] + "…"
        found[field.name] = value
    return found


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
