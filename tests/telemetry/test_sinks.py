"""What other systems are told about a run, and that none of them can disturb it."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import headrace
from headrace.core import events, faults
from headrace.core.errors import InputError, RequestFailed, UsageError
from headrace.runner.telemetry import LogSink, Metrics, OpenLineage, OpenTelemetry, Prometheus, from_environment
from headrace.runner.telemetry.log import LONGEST
from headrace.sandbox import Options, Sandbox, run_in_thread
from headrace.testing.api import serving
from headrace.testing.loopback import Asked, Reply, listening

HOST = "streaming-availability.p.rapidapi.com"


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    with run_in_thread(Options(titles=60, signatures="fixed")) as found:
        yield found


@pytest.fixture
def sapi(server: Sandbox, tmp_path: Path) -> Iterator[Any]:
    server.clear_faults()

    def run(*sinks: Any, **more: Any) -> headrace.RunResult:
        return headrace.run(
            "sapi",
            destination=f"sqlite:///{tmp_path}/made.sqlite",
            state=tmp_path / "state",
            secrets={"SAPI": "test-key"},
            rewrite={HOST: server.url},
            sinks=sinks,
            **more,
        )

    yield run
    server.clear_faults()


@pytest.fixture
def endpoint() -> Iterator[tuple[str, list[tuple[dict[str, str], Any]], dict[str, int]]]:
    """An HTTP endpoint: its URL, what it got, and the status that it answers with."""
    got: list[tuple[dict[str, str], Any]] = []
    answer = {"status": 201}

    def reply(asked: Asked) -> Reply:
        got.append((dict(asked.headers), json.loads(asked.body)))
        return Reply(status=answer["status"], headers=(("Location", "/elsewhere"),))

    with listening(reply) as url:
        yield f"{url}/api/v1/lineage", got, answer


def test_lineage_in_a_file(sapi: Any, tmp_path: Path) -> None:
    result = sapi(OpenLineage(tmp_path / "lineage.jsonl"))
    start, end = (json.loads(line) for line in (tmp_path / "lineage.jsonl").read_text().splitlines())
    assert [start["eventType"], end["eventType"]] == ["START", "COMPLETE"]
    assert start["run"]["runId"] == end["run"]["runId"] == result.run_id
    assert end["job"]["name"] == "sapi"
    assert end["inputs"] == [{"namespace": f"https://{HOST}", "name": "/shows/search/filters"}]
    outputs = {output["name"]: output for output in end["outputs"]}
    counts = {name: o["outputFacets"]["outputStatistics"]["rowCount"] for name, o in outputs.items()}
    assert counts == dict(result.rows)
    fields = {field["name"]: field["type"] for field in outputs["sapi_titles"]["facets"]["schema"]["fields"]}
    assert fields["sapi_id"] == "string"
    assert fields["fetched_at"] == "timestamp"
    for document in (start, end):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", document["eventTime"])
        assert document["schemaURL"].startswith("https://openlineage.io/spec/")
        assert document["producer"]


def test_lineage_names_the_tables_that_sql_reads(tmp_path: Path) -> None:
    file = tmp_path / "made.yml"
    with serving(lambda path, params: (b'{"data": [{"id": 1}]}', 200, {})) as api:
        steps = [
            {
                "step": "items", "processor": "generic.api_extractor",
                "config": {"url": f"{api.url}/items", "tables": [{"table": "items", "columns": {"id": "id"}}]},
            },
            {
                "step": "counted", "processor": "generic.sql_transformer",
                "config": {
                    "dialect": "bigquery",
                    "sql_template": "WITH all_of AS (SELECT * FROM `{project}.{dataset}.{from}`) SELECT COUNT(*) AS n FROM all_of",
                },
            },
        ]  # fmt: skip
        pipeline = {"pipeline_id": "made", "inputs": {"from": {"default": "Items"}}, "steps": steps}
        file.write_text(json.dumps(pipeline))
        sink = OpenLineage(tmp_path / "lineage.jsonl")
        found = headrace.run(file, destination=f"sqlite:///{tmp_path}/made.sqlite", state=tmp_path / "s", sinks=[sink])
    assert found.status == "done"
    end = json.loads((tmp_path / "lineage.jsonl").read_text().splitlines()[-1])
    assert end["inputs"][0]["name"] == "/items"
    outputs = {(each["namespace"], each["name"]) for each in end["outputs"]}
    assert [(each["namespace"], each["name"].lower()) for each in end["inputs"][1:]] == [
        (end["outputs"][0]["namespace"], "items")
    ]
    assert {"items", "counted"} <= {name for _, name in outputs}


def test_a_failed_run_is_told_with_its_error(sapi: Any, server: Sandbox, tmp_path: Path) -> None:
    server.fault("status_400", nth=1)
    with pytest.raises(RequestFailed):
        sapi(OpenLineage(tmp_path / "lineage.jsonl"), run_id="mine")
    end = json.loads((tmp_path / "lineage.jsonl").read_text().splitlines()[-1])
    assert end["eventType"] == "FAIL"
    assert "400" in end["run"]["facets"]["errorMessage"]["message"]
    assert re.fullmatch(r"[0-9a-f-]{36}", end["run"]["runId"])  # "mine" is no UUID, and the specification wants one


def test_lineage_to_an_endpoint(sapi: Any, endpoint: Any) -> None:
    url, got, _ = endpoint
    assert sapi(OpenLineage(url, api_key="key-of-the-endpoint")).status == "done"
    assert [document["eventType"] for _, document in got] == ["START", "COMPLETE"]
    assert {headers["Authorization"] for headers, _ in got} == {"Bearer key-of-the-endpoint"}


@pytest.mark.parametrize("status", [500, 401, 302])
def test_an_endpoint_that_fails_is_logged_once_and_the_run_goes_on(
    sapi: Any, endpoint: Any, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    url, got, answer = endpoint
    answer["status"] = status
    assert sapi(OpenLineage(f"{url}?token=abcdefgh", api_key="key-of-the-endpoint")).status == "done"
    assert len(got) == 2  # no redirect was followed
    said = [record.getMessage() for record in caplog.records if record.name == "headrace.telemetry"]
    assert len(said) == 1
    assert str(status) in said[0]
    assert "abcdefgh" not in said[0]


def test_an_endpoint_that_is_not_there(sapi: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert sapi(OpenLineage("http://127.0.0.1:1/lineage")).status == "done"
    assert any("the run goes on" in record.getMessage() for record in caplog.records)


def test_a_file_that_cannot_be_written_leaves_the_run_alone(sapi: Any, tmp_path: Path) -> None:
    heard: list[events.Event] = []

    class Ear:
        def emit(self, event: events.Event) -> None:
            heard.append(event)

    nowhere = tmp_path / "no" / "such"
    result = sapi(Ear(), OpenLineage(nowhere / "lineage.jsonl"), Prometheus(nowhere / "h.prom", every=0))
    assert result.status == "done"
    warned = [event.message for event in heard if isinstance(event, events.Warned)]
    assert sorted(text.split()[0] for text in warned) == ["OpenLineage", "Prometheus"]


def test_metrics_in_a_file(sapi: Any, server: Sandbox, tmp_path: Path) -> None:
    server.fault("status_500", nth=2)
    path = tmp_path / "headrace.prom"
    result = sapi(Prometheus(path))
    lines = path.read_text().splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert values['headrace_runs_total{pipeline="sapi",status="done"}'] == "1"
    assert values['headrace_run_active{pipeline="sapi"}'] == "0"
    assert values['headrace_pages_total{pipeline="sapi",step="crawl"}'] == str(result.pages)
    assert values['headrace_requests_total{pipeline="sapi",status="500",step="crawl"}'] == "1"
    assert values['headrace_retries_total{pipeline="sapi",step="crawl"}'] == "1"
    rows = {t: int(values[f'headrace_rows_total{{pipeline="sapi",table="{t}"}}']) for t in result.rows}
    assert rows == dict(result.rows)
    helped = [line.split()[2] for line in lines if line.startswith("# HELP")]
    typed = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert helped == typed == list(dict.fromkeys(name.partition("{")[0] for name in values))
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".headrace.prom")] == []


def test_metrics_are_shared_escaped_and_written_in_between(tmp_path: Path) -> None:
    metrics = Metrics()
    first, second = (Prometheus(tmp_path / f"{n}.prom", every=0, metrics=metrics) for n in (1, 2))
    first.emit(events.RunStarted("a", 'na"me\\\n', "sqlite:///x", False))
    assert 'headrace_run_active{pipeline="na\\"me\\\\\\n"} 1' in (tmp_path / "1.prom").read_text()
    second.emit(events.RunStarted("b", "other", "sqlite:///x", False))
    second.emit(events.BatchCommitted("b", "s", 2, {"t": 3}, None, 2, 0.25))
    text = (tmp_path / "2.prom").read_text()
    assert 'headrace_rows_total{pipeline="other",table="t"} 3' in text
    assert 'headrace_commits_total{pipeline="other",step="s"} 1\n' in text
    assert 'headrace_pages_total{pipeline="other",step="s"} 2\n' in text
    assert 'headrace_commit_seconds_total{pipeline="other",step="s"} 0.25' in text
    assert "na\\" in text


def test_spans_and_counters(sapi: Any, server: Sandbox) -> None:
    server.fault("status_500", nth=2)
    spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracing = TracerProvider()
    tracing.add_span_processor(SimpleSpanProcessor(spans))
    result = sapi(OpenTelemetry(tracing, MeterProvider([reader])))
    by_name: dict[str, list[Any]] = {}
    for span in spans.get_finished_spans():
        by_name.setdefault(span.name, []).append(span)
    (run,), (step,) = by_name["headrace run"], by_name["headrace step"]
    assert run.parent is None
    assert step.parent.span_id == run.context.span_id
    assert {commit.parent.span_id for commit in by_name["headrace commit"]} == {step.context.span_id}
    assert sum(commit.attributes["headrace.pages"] for commit in by_name["headrace commit"]) == result.pages
    assert run.attributes["headrace.run_id"] == result.run_id
    assert run.attributes["headrace.status"] == "done"
    assert len([e for e in step.events if e.name == "request"]) == result.requests
    assert len([e for e in step.events if e.name == "retry"]) == 1
    data = reader.get_metrics_data()
    assert data is not None
    found = {
        metric.name: sum(point.value for point in metric.data.data_points)  # type: ignore[union-attr]  # counters only
        for resource in data.resource_metrics for scope in resource.scope_metrics for metric in scope.metrics
    }  # fmt: skip
    assert found["headrace.rows"] == sum(result.rows.values())
    assert found["headrace.pages"] == result.pages
    assert found["headrace.requests"] == result.requests
    assert found["headrace.retries"] == 1
    assert tracing.force_flush()


def test_a_failure_ends_its_spans(sapi: Any, server: Sandbox) -> None:
    server.fault("status_400", nth=1)
    spans = InMemorySpanExporter()
    tracing = TracerProvider()
    tracing.add_span_processor(SimpleSpanProcessor(spans))
    with pytest.raises(RequestFailed):
        sapi(OpenTelemetry(tracing, MeterProvider()))
    ended = {span.name: span.status for span in spans.get_finished_spans()}
    assert set(ended) == {"headrace run", "headrace step"}
    assert all(status.status_code.name == "ERROR" for status in ended.values())
    assert "400" in (ended["headrace run"].description or "")


def test_a_line_for_each_state_change_and_commit(sapi: Any) -> None:
    stream = io.StringIO()
    result = sapi(LogSink(stream=stream))
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [lines[0]["event"], lines[1]["event"], lines[-1]["event"]] == ["run_started", "step_started", "run_finished"]
    assert {line["run_id"] for line in lines} == {result.run_id}
    commits = [line for line in lines if line["event"] == "batch_committed"]
    assert sum(line["pages"] for line in commits) == result.pages
    assert sum(line["rows"] for line in commits) == sum(result.rows.values())
    assert all({"timestamp", "level", "step", "page_number"} <= set(line) for line in commits)
    assert not [line for line in lines if line["event"] == "request_sent"]


def test_a_failed_run_ends_with_an_error_and_long_reasons_are_cut(sapi: Any, server: Sandbox) -> None:
    server.fault("status_400", nth=1)
    stream = io.StringIO()
    with pytest.raises(RequestFailed):
        sapi(LogSink(stream=stream), params={"catalogs": [f"service-{n}" for n in range(200)]})
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["event"] for line in lines if line["level"] == "error"] == ["run_finished"]
    texts = [value for line in lines for name, value in line.items() if isinstance(value, str) and name != "run_id"]
    assert max(map(len, texts)) == LONGEST + len("…")


def test_one_line_for_each_change_of_state_and_each_commit(sapi: Any) -> None:
    """Over a pause and a resume: no commit without its line, no line without its commit, and how each call began and
    ended."""
    commits = 0

    def count(point: str) -> None:
        nonlocal commits
        commits += point == "commit.after_commit"

    stream = io.StringIO()
    faults.install(count)
    try:
        paused = sapi(LogSink(stream=stream), max_pages=1, run_id="logged")
        sapi(LogSink(stream=stream), run_id="logged")
    finally:
        faults.install(None)
    assert paused.status == "partial"
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    of = {name: [line for line in lines if line["event"] == name] for name in {line["event"] for line in lines}}
    assert [(line.get("resumed", False)) for line in of["run_started"]] == [False, True]
    assert [line["status"] for line in of["run_finished"]] == ["partial", "done"]
    assert [line["status"] for line in of["step_finished"]] == ["partial", "done"]
    assert len(of["step_started"]) == 2
    the_end_of_the_step = 1
    assert len(of["batch_committed"]) + the_end_of_the_step == commits


def test_each_request_has_its_line_where_details_are_asked_for_and_none_shows_the_key(tmp_path: Path) -> None:
    """Whether the key is in a header or in the URL, and though the API repeats it."""
    stream = io.StringIO()
    body = json.dumps({"data": [{"id": 1, "key": "s3cret/key"}], "next": "/x?api_key=s3cret%2Fkey&page=2"}).encode()

    def answer(path: str, query: dict[str, str]) -> Any:
        return (body if "page" not in query else b'{"data": [], "next": null}'), 200, {}

    for kind in ("query", "header"):
        with serving(answer) as api:
            (file := tmp_path / f"{kind}.yml").write_text(
                json.dumps({
                    "pipeline_id": kind,
                    "steps": [{"step": "items", "processor": "generic.api_extractor", "config": {
                        "url": f"{api.url}/x", "auth": {"type": kind, "provider": "ACME"},
                        "pagination": {"type": "link", "response_path": "next"}, "destination": {"table": kind},
                    }}],
                })
            )  # fmt: skip
            place = {"destination": f"sqlite:///{tmp_path}/made.sqlite", "state": tmp_path / "state"}
            headrace.run(file, secrets={"ACME": "s3cret/key"}, sinks=[LogSink(stream=stream, verbose=2)], **place)
            assert any("s3cret%2Fkey" in target for target in api.asked) == (kind == "query")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    requests = [line for line in lines if line["event"] == "request_sent"]
    assert [(line["status"], "/x" in line["url"]) for line in requests] == [(200, True)] * 4
    assert len([line for line in lines if line["event"] == "page_fetched"]) == 4
    assert "s3cret" not in stream.getvalue()


def test_the_environment_switches_sinks_on(tmp_path: Path) -> None:
    assert from_environment({}) == []
    assert from_environment({"HEADRACE_OTEL": "0", "HEADRACE_PROMETHEUS_FILE": "", "HEADRACE_OPENLINEAGE": ""}) == []
    made = from_environment(
        {
            "HEADRACE_OTEL": "1", "OTEL_SDK_DISABLED": "true", "HEADRACE_PROMETHEUS_FILE": str(tmp_path / "h.prom"),
            "HEADRACE_OPENLINEAGE": str(tmp_path / "lineage.jsonl"),
        }
    )  # fmt: skip
    assert [type(sink) for sink in made] == [OpenTelemetry, Prometheus, OpenLineage]
    with pytest.raises(InputError, match="HEADRACE_OTEL is 'maybe'"):
        from_environment({"HEADRACE_OTEL": "maybe"})
    with pytest.raises(UsageError, match="'otlp' is not installed"):
        from_environment({"HEADRACE_OTEL": "1"})
    with pytest.raises(InputError, match="carries a user name"):
        from_environment({"HEADRACE_OPENLINEAGE": "https://user:pw@host/lineage"})
    assert not logging.getLogger("headrace.telemetry").handlers
