"""Headrace carries data from web APIs into a database or warehouse and never loses its place.

The public names load what they need when they are first used: ``import headrace`` costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace._version import __version__

if TYPE_CHECKING:
    from headrace.core.errors import HeadraceError
    from headrace.pipeline.load import load
    from headrace.runner.accept import accept
    from headrace.runner.api import resume, run
    from headrace.runner.backfill import backfill
    from headrace.runner.replay import ReplayPlan, ReplayResult, replay
    from headrace.runner.result import RunResult

_HOMES = {
    "HeadraceError": "headrace.core.errors",
    "ReplayPlan": "headrace.runner.replay",
    "ReplayResult": "headrace.runner.replay",
    "RunResult": "headrace.runner.result",
    "accept": "headrace.runner.accept",
    "backfill": "headrace.runner.backfill",
    "load": "headrace.pipeline.load",
    "replay": "headrace.runner.replay",
    "resume": "headrace.runner.api",
    "run": "headrace.runner.api",
}

__all__ = [
    "HeadraceError",
    "ReplayPlan",
    "ReplayResult",
    "RunResult",
    "__version__",
    "accept",
    "backfill",
    "load",
    "replay",
    "resume",
    "run",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'headrace' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
