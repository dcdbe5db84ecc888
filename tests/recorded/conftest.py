"""Recorded answers of real APIs, found by HEADRACE_RECORDED and served on loopback. They are never copied here."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import headrace
from headrace.destinations import from_url
from headrace.testing.api import Api, Handler, serving


@pytest.fixture(scope="session")
def recorded() -> Path:
    """The folder that HEADRACE_RECORDED names. ``.ci/run`` always names one, so that there missing data fails;
    where nothing is named, the tests skip."""
    name = os.environ.get("HEADRACE_RECORDED", "")
    if not name:
        pytest.skip("HEADRACE_RECORDED does not name the folder of recorded answers of real APIs")
    if not Path(name).is_dir():
        pytest.fail(f"HEADRACE_RECORDED names no folder: {name!r}")
    return Path(name)


@pytest.fixture
def serve() -> Iterator[Callable[[Handler], Api]]:
    """Start APIs that end with the test."""
    with ExitStack() as stack:
        yield lambda answer: stack.enter_context(serving(answer))


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
