"""An API whose answers a test writes, and a place where pipelines run against it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import headrace
from headrace.destinations import from_url
from headrace.testing.loopback import Asked, Reply, listening

Handler = Callable[[str, Mapping[str, str]], Any]


@dataclass
class Api:
    """``answer(path, query)`` gives the body as plain JSON, or (status, body); ``asked`` is what was asked."""

    url: str = ""
    answer: Handler = lambda path, query: {"data": []}
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def api() -> Iterator[Api]:
    found = Api()

    def answer(asked: Asked) -> Reply:
        found.asked.append(asked.target)
        given = found.answer(asked.path, asked.query)
        status, body = given if isinstance(given, tuple) else (200, given)
        return Reply.json(body, status)

    with listening(answer) as found.url:
        yield found


class Place:
    """A folder with a DuckDB file."""

    def __init__(self, folder: Path, api: Api) -> None:
        self.folder, self.api = folder, api
        self.url, self.state = f"duckdb:///{folder}/made.duckdb", folder / "state"

    def file(self, *configs: Mapping[str, Any], name: str = "made", **top: Any) -> Path:
        """A pipeline file: one extract step for each configuration, called a, b, ..."""
        steps = [
            {
                "step": "abcdef"[number],
                "processor": "generic.api_extractor",
                "config": {"base_url": self.api.url, "rate_limit": {"requests_per_second": 10_000, "max_retries": 0}}
                | dict(config),
            }
            for number, config in enumerate(configs)
        ]
        path = self.folder / f"{name}.yml"
        path.write_text(json.dumps({"pipeline_id": name, **top, "steps": steps}))
        return path

    def run(self, file: Path, **options: Any) -> headrace.RunResult:
        return headrace.run(file, destination=self.url, state=self.state, **options)

    def resume(self, run_id: str, **options: Any) -> headrace.RunResult:
        return headrace.resume(run_id, destination=self.url, state=self.state, **options)

    def column(self, sql: str) -> list[Any]:
        with from_url(self.url).open(read_only=True) as session:
            return [value for batch in session.query(sql) for value in batch.column(0).to_pylist()]


@pytest.fixture
def place(tmp_path: Path, api: Api) -> Place:
    return Place(tmp_path, api)


@pytest.fixture(params=["duckdb", "sqlite", "postgresql"])
def anywhere(place: Any, request: pytest.FixtureRequest) -> Any:
    """The same folder, with each destination in turn."""
    if request.param == "postgresql":
        place.url = request.getfixturevalue("postgres_url")
    else:
        place.url = f"{request.param}:///{place.folder}/made.db"
    return place
