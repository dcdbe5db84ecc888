"""Recorded answers of real APIs, found by HEADRACE_RECORDED and served on loopback. They are never copied here."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

import headrace
from headrace.destinations import from_url


@pytest.fixture(scope="session")
def recorded() -> Path:
    """The folder of recorded answers; skips without it, but fails in CI."""
    name = os.environ.get("HEADRACE_RECORDED", "")
    if name and Path(name).is_dir():
        return Path(name)
    reason = f"HEADRACE_RECORDED names no folder ({name!r}): set it to the recorded answers of real APIs"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


Answer = tuple[bytes, int, dict[str, str]] | None
"""Body, status, headers; ``None`` is a 404."""


class Api:
    """Serves what ``answer(path, parameters)`` gives; counts what it was asked."""

    def __init__(self, answer: Callable[[str, dict[str, str]], Answer]) -> None:
        self.asked: list[str] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                api.asked.append(self.path)
                parts = urlsplit(self.path)
                found = answer(parts.path, {k: v[0] for k, v in parse_qs(parts.query).items()})
                body, status, more = found or (b'{"message": "not found"}', 404, {})
                self.send_response(status)
                headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **more}
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[str, dict[str, str]], Answer]], Api]]:
    """Start an API that ends with the test."""
    started: list[tuple[Api, Thread]] = []

    def start(answer: Callable[[str, dict[str, str]], Answer]) -> Api:
        api = Api(answer)
        thread = Thread(target=api.server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        started.append((api, thread))
        return api

    yield start
    for api, thread in started:
        api.server.shutdown()
        thread.join()
        api.server.server_close()


class Place:
    """A database, and pipelines run into it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.url = folder, f"duckdb:///{folder}/recorded.duckdb"

    def run(self, pipeline: str | Path, **options: Any) -> headrace.RunResult:
        return headrace.run(pipeline, destination=self.url, state=self.folder / "state", **options)

    def steps(self, **configs: Any) -> Path:
        """A pipeline file of extract steps."""
        steps = [{"step": n, "processor": "generic.api_extractor", "config": c} for n, c in configs.items()]
        path = self.folder / "recorded.yml"
        path.write_text(json.dumps({"pipeline_id": "recorded", "steps": steps}))
        return path

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with from_url(self.url).open(read_only=True) as session:
            return [tuple(row.values()) for batch in session.query(sql) for row in batch.to_pylist()]

    def raw(self, table: str) -> list[bytes]:
        with from_url(self.url).open(read_only=True) as session:
            return [page.body for page in session.raw_pages(table)]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)
