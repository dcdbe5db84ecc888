"""Counts of runs in Prometheus' text format, without its client library."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from threading import Lock

from headrace.core import events
from headrace.core.events import Event

_NAMES = {
    "headrace_runs_total": "counter Runs that ended, by status.",
    "headrace_run_active": "gauge Runs under way.",
    "headrace_run_duration_seconds": "gauge Wall time of the last call.",
    "headrace_run_last_success_timestamp_seconds": "gauge When a run of the pipeline last ended as done (Unix time).",
    "headrace_rows_total": "counter Rows written.",
    "headrace_pages_total": "counter Pages committed.",
    "headrace_commits_total": "counter Commits.",
    "headrace_commit_seconds_total": "counter Time spent committing.",
    "headrace_requests_total": "counter Requests that left, by status (none: no answer).",
    "headrace_request_seconds_total": "counter Time spent waiting for answers.",
    "headrace_retries_total": "counter Requests made again.",
    "headrace_wait_seconds_total": "counter Time that requests were held back.",
    "headrace_records_rejected_total": "counter Records kept in a _rejected table.",
    "headrace_suspicions_total": "counter What the truncation sentinel saw.",
}

Labels = tuple[tuple[str, str], ...]


class Metrics:
    """A registry that adds up events of one run or of many; thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._values: dict[str, dict[Labels, float]] = defaultdict(dict)
        self._pipelines: dict[str, str] = {}

    def count(self, event: Event, at: float) -> None:
        """Add ``event``, which happened at ``at`` (Unix time, seconds)."""
        with self._lock:
            if isinstance(event, events.RunStarted):
                self._pipelines[event.run_id] = event.pipeline
            pipeline = self._pipelines.get(event.run_id, "")
            for name, value, labels in _changes(event):
                self._add(name, value, pipeline=pipeline, **labels)
            if isinstance(event, events.RunFinished):
                self._pipelines.pop(event.run_id, None)
                self._set("headrace_run_duration_seconds", event.seconds, pipeline=pipeline)
                if event.status == "done":
                    self._set("headrace_run_last_success_timestamp_seconds", at, pipeline=pipeline)

    def _add(self, name: str, value: float, **labels: str) -> None:
        key = tuple(sorted(labels.items()))
        self._values[name][key] = self._values[name].get(key, 0.0) + value

    def _set(self, name: str, value: float, **labels: str) -> None:
        self._values[name][tuple(sorted(labels.items()))] = value

    def render(self) -> str:
        """Everything in the text exposition format 0.0.4."""
        lines: list[str] = []
        with self._lock:
            for name, words in _NAMES.items():
                kind, _, help_ = words.partition(" ")
                if samples := self._values.get(name):
                    lines += [f"# HELP {name} {help_}", f"# TYPE {name} {kind}"]
                    lines += [f"{name}{_labels(key)} {_number(value)}" for key, value in sorted(samples.items())]
        return "".join(f"{line}\n" for line in lines)


def _changes(event: Event) -> Iterator[tuple[str, float, dict[str, str]]]:
    match event:
        case events.RunStarted():
            yield "headrace_run_active", 1, {}
        case events.RunFinished():
            yield "headrace_run_active", -1, {}
            yield "headrace_runs_total", 1, {"status": event.status}
        case events.RequestSent():
            status = str(event.status) if event.status is not None else "none"
            yield "headrace_requests_total", 1, {"step": event.step, "status": status}
            yield "headrace_request_seconds_total", event.seconds, {"step": event.step}
        case events.RequestRetried():
            yield "headrace_retries_total", 1, {"step": event.step}
        case events.Waiting():
            yield "headrace_wait_seconds_total", event.seconds, {"step": event.step}
        case events.BatchCommitted():
            yield "headrace_commits_total", 1, {"step": event.step}
            yield "headrace_commit_seconds_total", event.seconds, {"step": event.step}
            yield "headrace_pages_total", event.pages, {"step": event.step}
            for table, rows in event.rows.items():
                yield "headrace_rows_total", rows, {"table": table}
        case events.RecordsRejected():
            yield "headrace_records_rejected_total", event.count, {"table": event.table}
        case events.Suspicion():
            yield "headrace_suspicions_total", 1, {"step": event.step}
        case _:
            pass


def _labels(labels: Labels) -> str:
    escaped = ((name, value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')) for name, value in labels)
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped) + "}" if labels else ""


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(round(value, 6))
