"""Prometheus' textfile collector: a file that node_exporter reads."""

from __future__ import annotations

import os
import time
from pathlib import Path

from headrace.core.events import Event, RunFinished
from headrace.runner.telemetry.metrics import Metrics


class Prometheus:
    """Writes ``path`` (``*.prom``) whole, never in part: every ``every`` seconds while events come, and at the end of a
    run. ``metrics`` may be shared by many runs, as a service does. A file that cannot be written raises
    OSError: the run goes on without this sink, and says so."""

    def __init__(self, path: str | Path, *, every: float = 15.0, metrics: Metrics | None = None) -> None:
        self.metrics = metrics or Metrics()
        self._path, self._every = Path(path), every
        self._written = time.monotonic()

    def emit(self, event: Event) -> None:
        self.metrics.count(event, time.time())
        if isinstance(event, RunFinished) or time.monotonic() - self._written >= self._every:
            self.write()

    def write(self) -> None:
        """Replace the file at once."""
        self._written = time.monotonic()
        beside = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            beside.write_text(self.metrics.render(), encoding="utf-8")
            beside.replace(self._path)
        finally:
            beside.unlink(missing_ok=True)
