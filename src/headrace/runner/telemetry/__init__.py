"""Sinks that tell other systems what a run does; none is on unless asked for.

``headrace.run(..., sinks=[OpenLineage("lineage.jsonl"), Prometheus("headrace.prom"), OpenTelemetry(), LogSink()])``,
or the environment of the command line (:func:`from_environment`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headrace.runner.telemetry.environment import from_environment
    from headrace.runner.telemetry.log import LogSink
    from headrace.runner.telemetry.metrics import Metrics
    from headrace.runner.telemetry.openlineage import OpenLineage
    from headrace.runner.telemetry.opentelemetry import OpenTelemetry
    from headrace.runner.telemetry.prometheus import Prometheus

_HOMES = {
    "LogSink": "log", "Metrics": "metrics", "OpenLineage": "openlineage", "OpenTelemetry": "opentelemetry",
    "Prometheus": "prometheus", "from_environment": "environment",
}  # fmt: skip

__all__ = ["LogSink", "Metrics", "OpenLineage", "OpenTelemetry", "Prometheus", "from_environment"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
