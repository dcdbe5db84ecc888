"""OpenLineage: which API a run read, which tables its SQL read, which ones it wrote, and how it ended."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from headrace._version import __version__
from headrace.core import events
from headrace.core.events import Event
from headrace.runner.telemetry.post import Poster

_SPEC = "https://openlineage.io/spec"
_PRODUCER = f"https://github.com/headrace/headrace/tree/{__version__}"
_TYPES = {"done": "COMPLETE", "failed": "FAIL", "suspect": "FAIL"}
"""All else was stopped before its end: ABORT."""
_AN_ID = re.compile(r"\d+|[0-9a-fA-F-]{32,}|tt\d+")
_MOST_INPUTS = 50


@dataclass(slots=True)
class _Run:
    pipeline: str
    destination: str
    inputs: dict[tuple[str, str], None] = field(default_factory=dict)
    read: dict[str, None] = field(default_factory=dict)
    columns: dict[str, Mapping[str, str]] = field(default_factory=dict)


class OpenLineage:
    """Sends START, then COMPLETE, FAIL or ABORT, to ``target``: a file (one JSON document a line) or an http URL.

    URLs are sent to on a thread of their own; one that fails is logged once (``headrace.openlineage``) and never
    disturbs the run. ``api_key`` goes to that URL alone, as a bearer token.
    """

    def __init__(self, target: str | Path, *, namespace: str = "headrace", api_key: str | None = None) -> None:
        text = str(target)
        self._poster = Poster(text, api_key) if text.startswith(("http://", "https://")) else None
        self._file = Path(target)
        self._namespace = namespace
        self._runs: dict[str, _Run] = {}

    def emit(self, event: Event) -> None:
        run = self._runs.get(event.run_id)
        if isinstance(event, events.RunStarted):
            self._runs[event.run_id] = run = _Run(event.pipeline, event.destination)
            self._send(event.run_id, run, "START", {}, {})
        elif run is None:
            return
        elif isinstance(event, events.RequestSent):
            if len(run.inputs) < _MOST_INPUTS:
                run.inputs[_api(event.url)] = None
        elif isinstance(event, events.StepFinished):
            run.columns.update(event.columns)
            run.read.update(dict.fromkeys(event.reads))
        elif isinstance(event, events.RunFinished):
            facets = {}
            if event.error:
                facets["errorMessage"] = _facet(
                    "1-0-0/ErrorMessageRunFacet", message=event.error, programmingLanguage="python"
                )
            self._send(event.run_id, run, _TYPES.get(event.status, "ABORT"), facets, event.rows)
            del self._runs[event.run_id]
            if self._poster is not None:
                self._poster.flush()

    def _send(self, run_id: str, run: _Run, kind: str, facets: Mapping[str, Any], rows: Mapping[str, int]) -> None:
        document = {
            "eventTime": datetime.fromtimestamp(time.time(), UTC).isoformat().replace("+00:00", "Z"),
            "eventType": kind,
            "producer": _PRODUCER,
            "schemaURL": f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent",
            "run": {"runId": _uuid(run_id), "facets": dict(facets)},
            "job": {
                "namespace": self._namespace,
                "name": run.pipeline,
                "facets": {
                    "jobType": _facet(
                        "2-0-3/JobTypeJobFacet", processingType="BATCH", integration="HEADRACE", jobType="PIPELINE"
                    )
                },
            },
            "inputs": [
                *({"namespace": origin, "name": path} for origin, path in run.inputs),
                *(_table(run, table) for table in run.read),
            ],
            "outputs": [_output(run, table, rows.get(table, 0)) for table in sorted({*rows, *run.columns})],
        }
        line = json.dumps(document, default=str)
        if self._poster is not None:
            self._poster.post(line.encode())
            return
        with self._file.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def _table(run: _Run, table: str) -> dict[str, Any]:
    namespace, prefix = run.destination, ""
    parts = urlsplit(run.destination)
    if parts.scheme == "postgresql":  # the naming of the specification: server, then database.table
        namespace = f"postgres://{parts.netloc.rpartition('@')[2] or 'localhost'}"
        prefix = f"{parts.path.strip('/')}."
    return {"namespace": namespace, "name": prefix + table}


def _output(run: _Run, table: str, rows: int) -> dict[str, Any]:
    found = {**_table(run, table), "facets": {}}
    if columns := run.columns.get(table):
        fields = [{"name": name, "type": kind} for name, kind in columns.items()]
        found["facets"]["schema"] = _facet("1-1-1/SchemaDatasetFacet", fields=fields)
    found["outputFacets"] = {"outputStatistics": _facet("1-0-2/OutputStatisticsOutputDatasetFacet", rowCount=rows)}
    return found


def _facet(schema: str, **members: Any) -> dict[str, Any]:
    return {"_producer": _PRODUCER, "_schemaURL": f"{_SPEC}/facets/{schema}.json", **members}


def _api(url: str) -> tuple[str, str]:
    """An endpoint as a data set: without its query, and with ``*`` for ids, of which there may be millions."""
    parts = urlsplit(url)
    path = "/".join("*" if _AN_ID.fullmatch(piece) else piece for piece in parts.path.split("/"))
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", path or "/"


def _uuid(run_id: str) -> str:
    """A run's id if it is a UUID, as the specification wants; else one made from it, always the same."""
    try:
        return str(uuid.UUID(run_id))
    except ValueError:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"headrace:{run_id}"))
