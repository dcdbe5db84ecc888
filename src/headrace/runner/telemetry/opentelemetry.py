"""OpenTelemetry: a span for the run, its steps and its commits; counters beside them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from headrace._version import __version__
from headrace.core import events
from headrace.core.errors import UsageError
from headrace.core.events import Event

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter, MeterProvider
    from opentelemetry.trace import Span, Tracer, TracerProvider

_FLUSH_MILLIS = 5_000


@dataclass(slots=True)
class _Open:
    """The spans of a run that have not ended."""

    pipeline: str
    run: Span
    step: Span | None = None


class OpenTelemetry:
    """Spans run → step → commit, requests as events of their step; counters of rows, pages, requests, retries and
    seconds waited. By default through the process's global providers, as the application has set them up.

    Needs ``headrace[otel]``. Span names are ``headrace run``, ``headrace step``, ``headrace commit``.
    """

    def __init__(
        self, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
    ) -> None:
        _need_api()
        from opentelemetry import metrics, trace

        self._providers: tuple[Any, ...] = ()
        self._tracer: Tracer = trace.get_tracer("headrace", __version__, tracer_provider)
        meter: Meter = metrics.get_meter("headrace", __version__, meter_provider)
        counter = meter.create_counter
        self._rows = counter("headrace.rows", "{row}", "Rows written")
        self._pages = counter("headrace.pages", "{page}", "Pages committed")
        self._requests = counter("headrace.requests", "{request}", "Requests that left")
        self._retries = counter("headrace.retries", "{request}", "Requests made again")
        self._waits = counter("headrace.wait", "s", "Time that requests were held back")
        self._open: dict[str, _Open] = {}

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> OpenTelemetry:
        """With exporters as ``OTEL_TRACES_EXPORTER`` and ``OTEL_METRICS_EXPORTER`` name them (otlp, console, none; otlp
        by default), unless the process has providers already. The SDK reads every other ``OTEL_*`` variable.
        Raises UsageError for an exporter that is not installed."""
        _need_api()
        from opentelemetry import metrics, trace

        if environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or _is_set_up(trace.get_tracer_provider()):
            return cls()
        if find_spec("opentelemetry.sdk") is None:
            raise UsageError("the OpenTelemetry SDK is not installed", hint="pip install 'headrace[otel]'")
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        resource = Resource.create({} if environ.get("OTEL_SERVICE_NAME") else {"service.name": "headrace"})
        tracing = TracerProvider(resource=resource)
        for exporter in _exporters("traces", environ):
            tracing.add_span_processor(BatchSpanProcessor(exporter()))
        readers = [PeriodicExportingMetricReader(exporter()) for exporter in _exporters("metrics", environ)]
        measuring = MeterProvider(readers, resource)
        trace.set_tracer_provider(tracing)
        metrics.set_meter_provider(measuring)
        made = cls(tracing, measuring)
        made._providers = (tracing, measuring)
        return made

    def emit(self, event: Event) -> None:
        if isinstance(event, events.RunStarted):
            names = {"run_id": event.run_id, "pipeline": event.pipeline, "destination": event.destination}
            attributes: dict[str, str | bool] = {f"headrace.{name}": value for name, value in names.items()}
            span = self._tracer.start_span("headrace run", attributes={**attributes, "headrace.resumed": event.resumed})
            self._open[event.run_id] = _Open(event.pipeline, span)
            return
        run = self._open.get(event.run_id)
        if run is None:
            return
        self._count(event, run)
        match event:
            case events.StepStarted():
                step: dict[str, str | int] = {"headrace.step": event.step, "headrace.slices": event.slices}
                run.step = self._tracer.start_span("headrace step", _under(run.run), attributes=step)
            case events.RequestSent() if run.step is not None:
                run.step.add_event(
                    "request",
                    {"url.full": event.url, "http.response.status_code": event.status or 0, "seconds": event.seconds},
                )
            case events.RequestRetried() if run.step is not None:
                run.step.add_event("retry", {"url.full": event.url, "reason": event.reason, "wait": event.wait})
            case events.BatchCommitted():
                self._commit(event, run)
            case events.StepFinished() if run.step is not None:
                _end(run.step, event.status, "")
                run.step = None
            case events.RunFinished():
                self._finish(event, run)
            case _:
                pass

    def _commit(self, event: events.BatchCommitted, run: _Open) -> None:
        now = time.time_ns()
        span = self._tracer.start_span(
            "headrace commit",
            _under(run.step or run.run),
            attributes={
                "headrace.step": event.step,
                "headrace.pages": event.pages,
                "headrace.page_number": event.page_number,
                "headrace.rows": sum(event.rows.values()),
            },
            start_time=now - int(event.seconds * 1e9),
        )
        span.end(now)

    def _count(self, event: Event, run: _Open) -> None:
        pipeline = {"headrace.pipeline": run.pipeline}
        match event:
            case events.RequestSent():
                self._requests.add(1, {**pipeline, "http.response.status_code": event.status or 0})
            case events.RequestRetried():
                self._retries.add(1, pipeline)
            case events.Waiting():
                self._waits.add(event.seconds, pipeline)
            case events.BatchCommitted():
                self._pages.add(event.pages, pipeline)
                for table, rows in event.rows.items():
                    self._rows.add(rows, {**pipeline, "headrace.table": table})
            case _:
                pass

    def _finish(self, event: events.RunFinished, run: _Open) -> None:
        del self._open[event.run_id]
        if run.step is not None:  # the step raised
            _end(run.step, event.status, event.error)
        _end(run.run, event.status, event.error)
        for provider in self._providers:
            provider.force_flush(_FLUSH_MILLIS)


def _end(span: Span, status: str, error: str) -> None:
    from opentelemetry.trace import Status, StatusCode

    span.set_attribute("headrace.status", status)
    if status == "failed":
        span.set_status(Status(StatusCode.ERROR, error))
    span.end()


def _under(parent: Span) -> Any:
    from opentelemetry.trace import set_span_in_context

    return set_span_in_context(parent)


def _need_api() -> None:
    if find_spec("opentelemetry") is None:
        raise UsageError("OpenTelemetry is not installed", hint="pip install 'headrace[otel]'")


def _is_set_up(provider: Any) -> bool:
    """Whether somebody (``opentelemetry-instrument``) has put a real provider in place."""
    from opentelemetry.trace import ProxyTracerProvider

    return not isinstance(provider, ProxyTracerProvider)


def _exporters(signal: str, environ: Mapping[str, str]) -> list[Any]:
    variable = f"OTEL_{signal.upper()}_EXPORTER"
    names = [name.strip() for name in environ.get(variable, "otlp").split(",")]
    protocol = environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL") or environ.get(
        "OTEL_EXPORTER_OTLP_PROTOCOL", ""
    )
    found = []
    for name in names:
        if name in ("none", ""):
            continue
        wanted = [f"otlp_proto_{'grpc' if protocol == 'grpc' else 'http'}", "otlp"] if name == "otlp" else [name]
        points = [p for one in wanted for p in entry_points(group=f"opentelemetry_{signal}_exporter", name=one)]
        if not points:
            package = f"opentelemetry-exporter-otlp-proto-{'grpc' if protocol == 'grpc' else 'http'}"
            raise UsageError(
                f"{variable}: the exporter {name!r} is not installed",
                hint=f"pip install {package}, or set {variable}=none"
                if name == "otlp"
                else "use otlp, console or none",
            )
        found.append(points[0].load())
    return found
