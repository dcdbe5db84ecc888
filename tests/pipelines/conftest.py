"""One sandbox for all tests here, and a place where pipelines run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.pipelines.orders import ORDERS

import headrace
from headrace.core.clock import SystemClock
from headrace.destinations import from_url
from headrace.sandbox import Options, Sandbox, run_in_thread
from headrace.testing.api import Api, Handler, serving

SAPI_HOST = "streaming-availability.p.rapidapi.com"


@pytest.fixture(scope="session")
def sandbox_server() -> Iterator[Sandbox]:
    with run_in_thread(Options(titles=120, records=230, signatures="fixed")) as found:
        yield found


@pytest.fixture
def sandbox(sandbox_server: Sandbox) -> Iterator[Sandbox]:
    """Empty counters, no faults; sapi has 120 positions, the styles have 230 records."""
    sandbox_server.clear_faults()
    sandbox_server.reset()
    yield sandbox_server
    sandbox_server.clear_faults()


class Noon(SystemClock):
    """The vendor's SQL takes the rows of the run's day: no run of this clock goes past midnight."""

    def __init__(self) -> None:
        self._ahead = 1_764_590_400_000_000 - super().now()

    def now(self) -> int:
        return super().now() + self._ahead


class Place:
    """A folder with a database: runs pipelines into it and looks at what landed."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url, self.state = folder, url, folder / "state"

    def run(self, pipeline: str | Path, **options: Any) -> headrace.RunResult:
        return headrace.run(pipeline, destination=self.url, state=self.state, **options)

    def sapi(self, sandbox: Sandbox, **options: Any) -> headrace.RunResult:
        given = {"secrets": {"SAPI": "test-key"}, "rewrite": {SAPI_HOST: sandbox.url}, **options}
        return self.run("sapi", **given)

    def file(self, config: Mapping[str, Any], name: str = "made", **top: Any) -> Path:
        """A pipeline file with one extract step."""
        step = {"step": "crawl", "processor": "generic.api_extractor", "config": dict(config)}
        path = self.folder / f"{name}.yml"
        path.write_text(json.dumps({"pipeline_id": name, **top, "steps": [step]}))
        return path

    def session(self) -> Any:
        return from_url(self.url).open(read_only=True)

    def rows(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        with self.session() as session:
            return [tuple(row.values()) for batch in session.query(sql, params) for row in batch.to_pylist()]

    def one(self, sql: str, *params: Any) -> Any:
        return self.rows(sql, *params)[0][0]

    def columns(self, table: str) -> dict[str, Any]:
        with self.session() as session:
            return session.columns(table)

    def raw(self, table: str, run_id: str) -> list[Any]:
        with self.session() as session:
            return list(session.raw_pages(table, run_id=run_id))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A DuckDB file."""
    return Place(tmp_path, f"duckdb:///{tmp_path}/made.duckdb")


@pytest.fixture(params=["duckdb", "sqlite", "postgresql"])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Each destination in turn."""
    if request.param == "postgresql":
        return Place(tmp_path, request.getfixturevalue("postgres_url"))
    return Place(tmp_path, f"{request.param}:///{tmp_path}/made.{request.param}")


@pytest.fixture
def serve() -> Iterator[Callable[[Handler], Api]]:
    """Start APIs that end with the test."""
    with ExitStack() as stack:
        yield lambda answer: stack.enter_context(serving(answer))


@pytest.fixture
def api(serve: Callable[[Handler], Api]) -> Api:
    """The orders, all in one answer."""
    return serve(lambda path, query: (json.dumps({"data": ORDERS}).encode(), 200, {}))
