"""The Python API: backfill."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from headrace.runner.api import run
from headrace.runner.result import RunResult
from headrace.runner.window import Window


def backfill(pipeline: str | Path, start: str, end: str, *, step: str | None = None, **options: Any) -> RunResult:
    """Ask again for what lies from ``start`` up to, and without, ``end`` (ISO 8601), in windows of ``step`` (``6h``,
    ``1d``, ``1m``), each a slice with its own checkpoint.

    Only extract steps with ``incremental`` and ``until``, or with ``slices: {dates: ...}``, ask; steps of other kinds run
    too. The mark of incremental crawls does not move, and nothing is inferred from absence. ``options`` are
    those of :func:`headrace.run`; the same ``run_id`` goes on, as does :func:`headrace.resume`. Raises
    NotSupported for a pipeline that cannot be asked so.
    """
    return run(pipeline, window=Window(start, end, step), **options)
