"""A service to look at: an API whose answers are known, pipelines that ask it, runs in every state."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from headrace.core.clock import SystemClock
from headrace.state.progress.contract import ENDED, ProgressStore, Request
from headrace.testing.loopback import Asked, Reply, listening

HOSTILE = "<script>document.title='taken'</script><b>&amp;</b>"
MINUTE = 60_000_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
NAMES = ("Under the Dome", "Person of Interest", "Bitten", "Arrow", "True Detective", "The 100", "Homeland", "Glee")

PIPELINE = """
pipeline_id: {name}
description: {description}
inputs:
  country: {{type: string, default: us, description: where the shows are on offer}}
  catalogs: {{type: list, default: [netflix, prime], choices: [netflix, prime, disney, hulu], description: services to ask for}}
  since: {{type: date, required: false, description: only shows that premiered then or later}}
  top: {{type: int, required: false}}
  adult: {{type: bool, default: false, description: with shows for adults}}
  filters: {{type: map, required: false, description: any other parameter of the API}}
source: {{base_url: "{url}", rate_limit: {{requests_per_second: 1000, max_retries: 0}}}}
steps:
  - step: shows
    title: Fetching all shows
    processor: generic.api_extractor
    config:
      url: {path}
      params: {{country: "{{country}}"}}
      pagination: {pagination}
      data_path: data
      tables:
        - table: {table}
          key: [id]
          columns:
            id: {{path: id, type: int}}
            name: {{path: name, type: string}}
            status: {{path: status, type: string}}
            rating: {{path: rating, type: float}}
            premiered: {{path: premiered, type: date}}
            summary: {{path: summary, type: string}}
  - step: gate
    title: Checking the rows
    processor: generic.quality_checks
    config:
      checks:
        - {{type: unique, table: {table}, column: id}}
        - {{type: row_count, table: {table}, min: 10}}
        - {{type: not_null, table: {table}, column: summary, severity: warn}}
"""
CURSOR = "{type: cursor, param: cursor, response_path: next}"
TOTAL = "{type: page, total_path: total}"


@dataclass
class Api:
    """``records`` it has; page 2 of ``/slow`` waits until ``go`` is set."""

    url: str = ""
    records: int = 120
    go: threading.Event = field(default_factory=threading.Event)


def show(number: int) -> dict[str, Any]:
    name = HOSTILE if number == 3 else f"{NAMES[number % len(NAMES)]} {number}"
    return {
        "id": number, "name": name, "status": "Running" if number % 3 else "Ended", "rating": 5 + number % 50 / 10,
        "premiered": f"20{number % 20:02}-0{1 + number % 9}-11",
        "summary": None if number % 7 == 0 else f"A show with the number {number}, and a summary that is long. " * 6,
    }  # fmt: skip


@pytest.fixture(scope="session")
def api() -> Iterator[Api]:
    found = Api()

    def answer(asked: Asked) -> Reply:
        if asked.path == "/broken":
            return Reply.json({"error": "the database is on fire"}, 500)
        query = asked.query
        at = int(query.get("cursor") or 0) if "page" not in query else 1_000 * (int(query["page"]) - 1)
        if asked.path == "/slow" and at:
            found.go.wait(60)
        records = [show(n) for n in range(at, min(at + 40, found.records))]
        following = at + 40 if at + 40 < found.records else None
        return Reply.json({"total": 100, "next": following, "data": records})

    with listening(answer) as found.url:
        yield found
        found.go.set()


@dataclass
class Stage:
    """A service that listens at ``url``; its folder, its store, its API."""

    url: str
    folder: Path
    store: ProgressStore
    api: Api
    app: Any

    def wait_for(self, run_id: str, *statuses: str) -> Request:
        """The run, as soon as it has one of ``statuses`` (by default: an ended one)."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            found = self.store.get(run_id)
            if found is not None and found.status in (statuses or ENDED):
                return found
            time.sleep(0.02)
        raise AssertionError(f"{run_id} is {found}")


Opened = Callable[..., Stage]


@pytest.fixture(scope="session")
def opened(api: Api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """Starts services in threads, each in a folder of its own; ``before`` may fill the store first."""
    import uvicorn

    from headrace.service.app import create_app
    from headrace.service.config import ServiceConfig
    from headrace.state.progress.open import open_progress

    running: list[tuple[uvicorn.Server, threading.Thread, ProgressStore, socket.socket]] = []

    def start(before: Callable[[ProgressStore], None] | None = None, **options: Any) -> Stage:
        folder = tmp_path_factory.mktemp("service")
        pipelines = folder / "pipelines"
        pipelines.mkdir()
        for name, path, pagination, about in (
            ("shows", "/shows", CURSOR, "TV shows of a country, page by page"),
            ("slow", "/slow", CURSOR, "The same, from an API that takes its time"),
            ("doubtful", "/total", TOTAL, "An API that declares more than it gives"),
            ("broken", "/broken", CURSOR, "An API that fails"),
        ):
            text = PIPELINE.format(
                name=name, path=path, url=api.url, pagination=pagination, description=about,
                table="shows" if name == "shows" else f"{name}_shows",
            )  # fmt: skip
            (pipelines / f"{name}.yml").write_text(text)
        config = ServiceConfig(
            destinations={"warehouse": f"sqlite:///{folder}/made.db", "archive": f"duckdb:///{folder}/made.duckdb"},
            default_pipeline="shows", pipelines=pipelines, allowed_hosts=["127.0.0.1"], state=folder / "state", port=0, **options,
        )  # fmt: skip
        store = open_progress(None, config.state)
        if before is not None:
            before(store)
        app = create_app(config, store=store)
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1, lifespan="on"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        until = time.monotonic() + 60
        while not server.started and time.monotonic() < until:
            time.sleep(0.02)
        running.append((server, thread, store, listener))
        return Stage(f"http://127.0.0.1:{listener.getsockname()[1]}", folder, store, api, app)

    yield start
    api.go.set()
    for server, thread, store, listener in running:
        server.should_exit = True
        thread.join(60)
        listener.close()
        store.close()


def past(store: ProgressStore, number: int, *, now: int, every: int = 3 * HOUR, pipeline: str = "shows") -> Request:
    """A run that ended long ago; every eleventh did not end well."""
    at = now - DAY - number * every
    status = "done" if number % 11 else ("failed", "partial", "cancelled")[number // 11 % 3]
    seconds = 40 + (number * 37) % 90
    return store.create(
        Request(
            request_id=f"past-{number:05}", pipeline=pipeline, destination="warehouse", scope=f"past-{number}",
            inputs={"country": "us"}, status=status, rows=12_000 + (number * 997) % 4_000, pages=60, requests=61,  # type: ignore[arg-type]  # one of them
            progress=100.0, created_at=at, started_at=at + 40_000, updated_at=at, finished_at=at + seconds * 1_000_000,
            error="GET /shows answered 500 after 5 attempts" if status == "failed" else "",
        )
    )  # fmt: skip


def elsewhere(store: ProgressStore, request: Request, **changes: Any) -> Request:
    """A run that another instance holds: it stands still, as the test wants to see it."""
    store.create(replace(request, status="queued", scope=request.request_id))
    claimed = store.claim("elsewhere", lease_seconds=86_400)
    assert claimed is not None
    assert claimed.request_id == request.request_id
    assert store.update(request.request_id, "elsewhere", **changes)
    found = store.get(request.request_id)
    assert found is not None
    return found


STEPS = [
    {"step": "shows", "title": "Fetching all shows", "status": "done", "rows": {"All_Shows": 68_412}, "pages": 274,
     "records": 68_412, "requests": 276, "retries": 2, "seconds": 112.4},
    {"step": "top", "title": "Computing top shows", "status": "done", "rows": {"Top_Shows": 110}, "seconds": 0.21},
    {"step": "cast", "title": "Fetching cast", "status": "running", "rows": {"Top_Shows_Cast": 1_204, "People": 988},
     "pages": 57, "records": 1_204, "requests": 57, "slices": 110, "slices_ended": 57, "seconds": 31.0},
]  # fmt: skip


def furnish(store: ProgressStore) -> None:
    """Runs of every status, and a past."""
    now = SystemClock().now()
    for number in range(70):
        past(store, number, now=now)

    def run(name: str, pipeline: str = "tvmaze", **changes: Any) -> Request:
        request = Request(
            request_id=name, pipeline=pipeline, destination="warehouse", created_at=now - 5 * MINUTE,
            inputs={"country": "us", "catalogs": ["netflix", "prime"]}, options={"asked_by": "api-key of Ann"},
        )  # fmt: skip
        return elsewhere(store, request, **{"started_at": now - 4 * MINUTE, **changes})

    counts = {"rows": 69_726, "pages": 331, "requests": 333, "detail": {"steps": STEPS}}
    run("state-running", step="Fetching cast", progress=78.4, **counts)
    run("state-pulsing", "shows", step="Fetching all shows", rows=40, pages=1, requests=2)
    run("state-failed", "stripe", status="failed", progress=43.0, **counts, finished_at=now - 2 * MINUTE,
        error=f"step cast, slice 431: GET https://api.example.org/shows/431/cast answered 500\n{HOSTILE}",
        remedy="The API is failing: wait until it is well again, then resume. What was fetched is kept.")  # fmt: skip
    run("state-suspect", "sapi", status="suspect", progress=100.0, **counts, finished_at=now - 3 * MINUTE,
        remedy="headrace accept state-suspect")  # fmt: skip
    run("state-done", "github", status="done", step="Completed", **counts, finished_at=now - MINUTE)
    run("state-cancelled", "hubspot", status="cancelled", progress=12.0, **counts, finished_at=now - MINUTE)
    store.create(Request(request_id="state-queued", pipeline="shows", destination="archive", scope="q", created_at=now))
    assert store.claim("elsewhere", lease_seconds=86_400)
    store.give_back("state-queued", "elsewhere")
    said: list[dict[str, Any]] = [
        {"type": "RunStarted", "resumed": False}, {"type": "StepStarted", "step": "shows", "title": "Fetching all shows"},
        {"type": "RequestRetried", "attempt": 1, "reason": "503 Service Unavailable", "wait": 1.5},
        {"type": "StepFinished", "step": "shows", "status": "done", "rows": {"All_Shows": 68_412}},
        {"type": "StepStarted", "step": "cast", "title": "Fetching cast", "slices": 110},
        {"type": "RecordsRejected", "table": "Top_Shows_Cast", "count": 3, "reason": "person.id is null"},
        {"type": "SliceFailed", "slice": "431", "error": HOSTILE, "attempt": 1},
    ]  # fmt: skip
    store.append_events("state-running", [{"at": now - (240 - 20 * n) * 1_000_000, **e} for n, e in enumerate(said)])
    store.append_events("state-suspect", [
        {"type": "Suspicion", "step": "shows", "seen": "the API declared 100,000 records and 69,726 came",
         "remedy": "accept the run"},
        {"type": "RemovalsFound", "table": "All_Shows", "missing": 31_000, "known": 70_000, "status": "held"},
    ])  # fmt: skip
    store.append_events("state-done", [
        {"type": "QualityChecked", "check": f"{name}_All_Shows", "table": "All_Shows", "severity": severity,
         "passed": passed, "result": result, "threshold": threshold, "message": message, "examples": []}
        for name, severity, passed, result, threshold, message in (
            ("unique", "fail", True, 0, 0, ""), ("row_count", "fail", True, 68_412, 60_000, ""),
            ("not_null", "warn", False, 1_204, 0, "1,204 rows of All_Shows have no summary"),
        )
    ])  # fmt: skip


@pytest.fixture(scope="session")
def empty(opened: Opened) -> Stage:
    """A service in which nothing has run."""
    return opened()


@pytest.fixture(scope="session")
def lived_in(opened: Opened, api: Api) -> Stage:
    """A service with runs in every state; of two that really ran, the second missed half of the rows."""
    stage = opened(furnish)
    import headrace

    for records in (120, 60):
        api.records = records
        # In a thread: Playwright has an event loop of its own on this one.
        work = partial(
            headrace.run, stage.folder / "pipelines/shows.yml", destination=f"sqlite:///{stage.folder}/made.db",
            state=stage.folder / "state",
        )  # fmt: skip
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(work).result().status == "done"
    api.records = 120
    for name, cron, enabled in (("every-morning", "0 6 * * MON-FRI", True), ("hourly", "0 * * * *", False)):
        spec = {"pipeline": "shows", "cron": cron, "timezone": "Europe/Berlin", "inputs": {"country": "de"},
                "destination": "archive", "enabled": enabled, "jitter_seconds": 300}  # fmt: skip
        assert httpx.put(f"{stage.url}/schedules/{name}", json=spec, timeout=60).status_code == 201
    return stage


@pytest.fixture(scope="session")
def crowded(opened: Opened) -> Stage:
    """A service with 10,000 runs."""

    def fill(store: ProgressStore) -> None:
        now = SystemClock().now()
        for number in range(10_000):
            past(store, number, now=now, every=10 * MINUTE, pipeline=("shows", "slow", "tvmaze")[number % 3])

    return opened(fill)
