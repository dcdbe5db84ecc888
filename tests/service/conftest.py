"""A real service on loopback, and an API whose answers a test holds back and lets go."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
import yaml
from tests.service.callers import client_of

from headrace.service.app import create_app
from headrace.service.config import ServiceConfig
from headrace.service.context import Service
from headrace.service.security import Gate
from headrace.service.serving import SETTINGS, listen
from headrace.state.progress.contract import ProgressStore
from headrace.testing.loopback import Asked, Reply, listening

PATIENCE = 60.0
"""Seconds that a test waits for what has to come."""


@dataclass
class Api:
    """Serves ``/<list>?page=N``: ``pages`` pages of ``size`` records, each once the test allows it (``open``: how many
    answers of each list may go; ``None``: all). ``asked`` has each (list, page) that was asked for."""

    url: str = ""
    pages: int = 5
    size: int = 10
    open: int | None = None
    totals: bool = True
    asked: list[tuple[str, int]] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    closed: bool = False

    def allow(self, pages: int | None) -> None:
        """Let the first ``pages`` pages of each list be answered, ``None``: all."""
        with self.changed:
            self.open = pages
            self.changed.notify_all()

    def answer(self, name: str, page: int) -> dict[str, Any]:
        with self.changed:
            self.asked.append((name, page))
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.closed or self.open is None or page <= self.open, PATIENCE)
        first = (page - 1) * self.size
        rows = (
            [{"id": first + n, "name": f"{name} {first + n}"} for n in range(self.size)] if page <= self.pages else []
        )
        whole = {"total": self.pages * self.size} if self.totals else {}
        return {"data": rows, "more": page < self.pages, **whole}

    def wait_for(self, name: str, page: int) -> None:
        """Until somebody has asked for ``page``."""
        with self.changed:
            assert self.changed.wait_for(lambda: (name, page) in self.asked, PATIENCE), self.asked


@contextmanager
def serve_api() -> Iterator[Api]:
    api = Api()

    def answer(asked: Asked) -> Reply:
        return Reply.json(api.answer(asked.path.strip("/"), int(asked.query.get("page", "1"))))

    with listening(answer) as api.url:
        try:
            yield api
        finally:
            with api.changed:
                api.closed = True
                api.changed.notify_all()


@pytest.fixture
def api() -> Iterator[Api]:
    with serve_api() as found:
        yield found


def pipeline_file(folder: Path, api_url: str, *lists: str, name: str = "lists", **top: Any) -> Path:
    """A pipeline that crawls ``lists`` (default: items), a step and a table for each, into ``folder``/``name``.yml."""
    steps = [
        {
            "step": each,
            "title": f"Fetching {each}",
            "processor": "generic.api_extractor",
            "config": {
                "base_url": api_url,
                "url": f"/{each}",
                "rate_limit": {"requests_per_second": 10_000, "max_retries": 0, "concurrency": 1},
                "pagination": {"type": "page", "param": "page", "more_path": "more", "total_path": "total"},
                "data_path": "data",
                "tables": [{"table": each, "key": ["id"], "columns": {"id": {"path": "id", "type": "int"},
                                                                       "name": {"path": "name", "type": "string"}}}],
            },
        }
        for each in lists or ("items",)
    ]  # fmt: skip
    folder.mkdir(exist_ok=True)
    file = folder / f"{name}.yml"
    file.write_text(yaml.safe_dump({"pipeline_id": name, "steps": steps, **top}))
    return file


@dataclass
class Running:
    """A service that listens."""

    url: str
    service: Service
    client: httpx.Client
    app: Any = None

    def gate(self) -> Gate:
        """Tells callers by their keys."""
        found: Gate = self.app.state.gate
        return found

    def update(self, **asked: Any) -> str:
        """Ask for a run; its id."""
        answer = self.client.post("/pipeline/update", json=asked)
        assert answer.status_code == 202, answer.text
        found: str = answer.json()["request_id"]
        return found

    def wait(self, request_id: str, until: Callable[[dict[str, Any]], bool] | None = None) -> dict[str, Any]:
        """The run, once it has ended or ``until`` says so."""
        end = time.monotonic() + PATIENCE
        while True:
            found: dict[str, Any] = self.client.get(f"/pipeline/status/{request_id}", params={"wait": 1}).json()
            if until(found) if until else not found["running"]:
                return found
            assert time.monotonic() < end, found


@contextmanager
def serving(config: ServiceConfig, *, store: ProgressStore | None = None) -> Iterator[Running]:
    """A service in a thread, as ``headrace serve`` has it; drained at the end."""
    app = create_app(config, store=store)
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, **SETTINGS))
    started = threading.Event()
    startup = server.startup

    async def say(sockets: Any = None) -> None:
        await startup(sockets)
        started.set()

    server.startup = say  # type: ignore[method-assign]  # to know when it answers
    thread = threading.Thread(target=lambda: server.run(sockets=[listener]), name="service")
    thread.start()
    assert started.wait(PATIENCE)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        with httpx.Client(base_url=url, timeout=PATIENCE) as client:
            yield Running(url, app.state.service, client, app)
    finally:
        app.state.service.hub.close_soon()
        server.should_exit = True
        thread.join(PATIENCE)
        listener.close()


Serving = Callable[..., AbstractContextManager[Running]]


@pytest.fixture
def config(tmp_path: Path, api: Api) -> ServiceConfig:
    """A service of the pipeline ``lists``, which goes to the test's API, with a DuckDB and a SQLite file."""
    pipeline_file(tmp_path / "pipelines", api.url)
    return ServiceConfig(
        destinations={"duck": f"duckdb:///{tmp_path}/made.duckdb", "lite": f"sqlite:///{tmp_path}/made.sqlite"},
        default_pipeline="lists",
        pipelines=tmp_path / "pipelines",
        state=tmp_path / "state",
        lease_seconds=5.0,
        allowed_hosts=["127.0.0.1"],
    )


@pytest.fixture
def running(config: ServiceConfig) -> Iterator[Running]:
    with serving(config) as found:
        yield found


def rows(url: str, sql: str) -> list[tuple[Any, ...]]:
    """What a query on a destination gives."""
    from headrace.destinations import from_url

    with from_url(url).open(read_only=True) as session:
        return [tuple(row.values()) for batch in session.query(sql) for row in batch.to_pylist()]


@pytest.fixture(name="serving")
def _serving() -> Serving:
    """``with serving(config) as running``: a service of a test's own configuration."""
    return serving


@pytest.fixture(name="rows")
def _rows() -> Callable[[str, str], list[tuple[Any, ...]]]:
    """``rows(url, sql)``."""
    return rows


@pytest.fixture(name="pipeline_file")
def _pipeline_file() -> Callable[..., Path]:
    """``pipeline_file(folder, api_url, *lists)``."""
    return pipeline_file


@pytest.fixture
def closed(config, serving) -> Iterator[Any]:
    """A service that needs keys: (service, client of the first administrator)."""
    with serving(config.model_copy(update={"require_keys": True})) as running:
        key = running.gate().first_key()
        assert key is not None
        with client_of(running, key) as admin:
            yield running, admin
