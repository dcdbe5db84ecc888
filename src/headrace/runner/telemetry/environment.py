"""Which sinks the environment asks for."""

from __future__ import annotations

from collections.abc import Mapping

from headrace.core.errors import InputError
from headrace.core.events import EventSink

_ON = frozenset({"1", "true", "yes", "on"})
_OFF = frozenset({"", "0", "false", "no", "off"})


def from_environment(environ: Mapping[str, str]) -> list[EventSink]:
    """The sinks that ``HEADRACE_OTEL`` (1), ``HEADRACE_PROMETHEUS_FILE`` (a path) and ``HEADRACE_OPENLINEAGE`` (a
    file or an http URL) switch on. Raises InputError for a value that cannot be meant, UsageError for a package
    that is missing."""
    found: list[EventSink] = []
    otel = environ.get("HEADRACE_OTEL", "").strip().lower()
    if otel in _ON:
        from headrace.runner.telemetry.opentelemetry import OpenTelemetry

        found.append(OpenTelemetry.from_environment(environ))
    elif otel not in _OFF:
        raise InputError(f"HEADRACE_OTEL is {otel!r}", hint="write HEADRACE_OTEL=1, or leave it out")
    if path := environ.get("HEADRACE_PROMETHEUS_FILE"):
        from headrace.runner.telemetry.prometheus import Prometheus

        found.append(Prometheus(path))
    if target := environ.get("HEADRACE_OPENLINEAGE"):
        from headrace.runner.telemetry.openlineage import OpenLineage

        namespace = environ.get("OPENLINEAGE_NAMESPACE") or "headrace"
        found.append(OpenLineage(target, namespace=namespace, api_key=environ.get("OPENLINEAGE_API_KEY")))
    return found
