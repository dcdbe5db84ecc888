"""Structured logs of a run on stderr: one line per state change and commit."""

from __future__ import annotations

import sys
from dataclasses import asdict

from headrace.core import events
from headrace.core.events import Event

_DETAIL = (events.RequestSent, events.PageFetched, events.Waiting)


class LogSink:
    """Logs each event under its name; requests and pages only at ``verbose`` 2."""

    def __init__(self, log_format: str, verbose: int) -> None:
        import structlog

        last: structlog.typing.Processor
        if log_format == "json":
            last = structlog.processors.JSONRenderer(default=str)
        else:
            last = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)
        self._log = structlog.wrap_logger(
            structlog.PrintLogger(sys.stderr),
            processors=[structlog.processors.TimeStamper(fmt="iso", utc=True), last],
        )
        self._verbose = verbose

    def emit(self, event: Event) -> None:
        if isinstance(event, _DETAIL) and self._verbose < 2:
            return
        fields = {name: value for name, value in asdict(event).items() if value not in (None, "")}
        level = "warning" if isinstance(event, events.Warned | events.Suspicion | events.SliceFailed) else "info"
        self._log.msg(_snake(type(event).__name__), level=level, **fields)


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
