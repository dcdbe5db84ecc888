"""Crawls of every paging style of the sandbox while one of its faults is on."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import headrace
from headrace.core.clock import SystemClock
from headrace.core.errors import HeadraceError
from headrace.core.tables import RunStatus
from headrace.destinations import from_url
from headrace.sandbox import Options, Sandbox, run_in_thread
from headrace.sandbox.faults import FAULTS
from headrace.sandbox.styles import all_styles

RECORDS, SIZE = 47, 10
"""Five pages, the last of seven records."""
SECRET = "a-key-that-nobody-may-see"


class QuickClock(SystemClock):
    """A second of waiting takes ten milliseconds, and the clock believes it."""

    def __init__(self) -> None:
        self._skipped = 0.0

    def now(self) -> int:
        return super().now() + int(self._skipped * 1_000_000)

    def monotonic(self) -> float:
        return time.monotonic() + self._skipped

    async def sleep(self, seconds: float) -> None:
        until = self.monotonic() + seconds
        await asyncio.sleep(seconds / 100)
        self._skipped += max(0.0, until - self.monotonic())


@pytest.fixture(scope="session")
def fault_server() -> Iterator[Sandbox]:
    with run_in_thread(Options(records=RECORDS, page_size=SIZE)) as found:
        yield found


@pytest.fixture
def sandbox(fault_server: Sandbox) -> Iterator[Sandbox]:
    fault_server.clear_faults()
    fault_server.reset()
    yield fault_server
    fault_server.clear_faults()


@dataclass(frozen=True)
class Ending:
    """How a crawl ended, and the ids in its tables: every row in order, and by key."""

    status: RunStatus
    exit_code: int
    text: str
    appended: list[str]
    merged: set[str]
    pages: list[int] = field(default_factory=list)
    """Rows by page."""


def _small_pages(extract: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of a style with pages of :data:`SIZE` records wherever the request says how many."""
    text = json.dumps(extract)
    for name in ("limit", "first", "page_size"):
        text = re.sub(rf'"{name}": ("?)(?:50|100)\b', rf'"{name}": \g<1>{SIZE}', text)
    return json.loads(text)


class Crawl:
    """One style into a SQLite file of its own."""

    def __init__(self, folder: Path, sandbox: Sandbox, style: str, **config: Any) -> None:
        self.style, self.sandbox, self._folder = all_styles()[style], sandbox, folder
        self.url, self.state = f"sqlite:///{folder}/{style}.sqlite", folder / "state"
        extract = _small_pages(self.style.extract)
        id = {"path": "@id" if "decode" in extract else "id", "type": "string"}
        step = {
            "url": f"{sandbox.url}{self.style.path}",
            "timeout": 0.4,
            "rate_limit": {"requests_per_second": 10_000},
            "tables": [
                {"table": "merged", "key": ["id"], "columns": {"id": id}},
                {"table": "appended", "columns": {"id": id}},
            ],
            **extract,
            **config,
        }
        self.file = folder / f"{style}.yml"
        steps = [{"step": "crawl", "processor": "generic.api_extractor", "config": step}]
        self.file.write_text(json.dumps({"pipeline_id": style, "steps": steps}))

    def fault(self, name: str, **more: Any) -> None:
        """As the switch list sets it; where there is one page alone, from the first request on."""
        rule = {"path": f"/styles/{self.style.name}*", **FAULTS[name].example, **more}
        if self.style.name == "whole":
            rule |= {name: 1 if name == "nth" else 0 for name in ("nth", "after") if name in rule}
        self.sandbox.fault(name, **rule)

    def run(self, run_id: str = "one", **options: Any) -> Ending:
        """Start the run, or go on with it."""
        try:
            result = headrace.run(
                self.file,
                destination=self.url,
                state=self.state,
                run_id=run_id,
                clock=QuickClock(),
                **{"secrets": {"SANDBOX": SECRET}, **options},
            )
        except HeadraceError as error:
            return self.ending("failed", error.exit_code, str(error))
        return self.ending(result.status, result.exit_code, f"{result.error}\n{list(result.suspicions)}")

    def ending(self, status: RunStatus, code: int, text: str) -> Ending:
        with from_url(self.url).open(read_only=True) as session:
            appended = _rows(session, "SELECT id, _page FROM appended ORDER BY _page, _record")
            merged = _rows(session, "SELECT id FROM merged")
        pages: dict[int, int] = {}
        for _, page in appended:
            pages[page] = pages.get(page, 0) + 1
        return Ending(status, code, text, [id for id, _ in appended], {id for (id,) in merged}, list(pages.values()))


def _rows(session: Any, sql: str) -> list[tuple[Any, ...]]:
    try:
        return [tuple(row.values()) for batch in session.query(sql) for row in batch.to_pylist()]
    except HeadraceError:
        return []  # it failed before its tables were made


@pytest.fixture(scope="session")
def healthy(fault_server: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Ending]:
    """Every style while nothing is wrong."""
    fault_server.clear_faults()
    fault_server.reset()
    return {name: Crawl(tmp_path_factory.mktemp(name), fault_server, name).run() for name in all_styles()}
