"""SIGKILL at every fault point and at random instants: the same tables and pages as if nothing had happened."""

from __future__ import annotations

import json
import os
import random
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from headrace.sandbox import Options, Sandbox, run_in_thread
from headrace.testing.crash import FAULT_POINTS, After, At, Crawl, Figures, Kill, survive, undisturbed

pytestmark = pytest.mark.crash
_NUMBERS = count(1)

SEED = int(os.environ.get("HEADRACE_CRASH_SEED", "1"))
RECORDS, SIZE = 900, 20
IN_FLIGHT = {"sequential": 1, "windowed": 4, "sliced": 3}
STREAMS: dict[str, dict[str, Any]] = {
    "sequential": {
        "url": f"/styles/cursor-query?records={RECORDS}&limit={SIZE}",
        "pagination": {"type": "cursor", "param": "cursor", "response_path": "meta.next_cursor"},
    },
    "windowed": {
        "url": f"/styles/page-1?records={RECORDS}&per_page={SIZE}",
        "pagination": {"type": "page", "param": "page"},
        "data_path": "results",
    },
    "sliced": {
        "url": f"/styles/cursor-query?limit={SIZE}",
        "params": {"records": "{slice.size}"},
        "pagination": {"type": "cursor", "param": "cursor", "response_path": "meta.next_cursor"},
        "slices": {"each": {"size": [RECORDS // 3, RECORDS // 3 - 7, 90, 0, 41]}, "concurrency": 3},
    },
}
_COLUMNS = {
    "id": "id", "name": "name", "amount": "amount", "quantity": "quantity", "team": "owner.team", "tags": "tags",
    "note": "note", "fetched_at": {"value": "{fetched_at}", "type": "timestamp"}, "run": {"value": "{run_id}"},
}  # fmt: skip
TABLES: list[dict[str, Any]] = [
    {"table": "merged", "key": ["id"], "columns": _COLUMNS},
    {"table": "appended", "write": "append", "columns": _COLUMNS},
    {"table": "replaced", "write": "replace", "key": ["id"], "columns": _COLUMNS},
    {
        "table": "kept",
        "write": "scd2",
        "key": ["id"],
        "columns": _COLUMNS,
        "change_hash": {"without": ["fetched_at", "run"]},
    },
    {"table": "tags", "write": "append", "each": "tags.*", "columns": {"id": "^.id", "tag": ""}},
]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    latency = {"fault": "latency", "params": {"ms": 8, "jitter": 8}}
    with run_in_thread(Options(records=RECORDS, faults=(latency,))) as found:
        yield found


class Databases:
    """Empty databases of one kind, as many as are asked for."""

    def __init__(self, kind: str, folder: Path, server: str) -> None:
        self.kind, self.folder, self.server = kind, folder, server
        self._made: list[str] = []

    def fresh(self) -> str:
        name = f"crash_{os.getpid()}_{next(_NUMBERS)}"
        if self.kind != "postgresql":
            return f"{self.kind}:///{self.folder}/{name}.{self.kind}"
        self._made.append(name)
        self._admin(f"CREATE DATABASE {name}")
        return f"{self.server.rpartition('/')[0]}/{name}"

    def drop(self) -> None:
        for name in self._made:
            self._admin(f"DROP DATABASE {name} WITH (FORCE)")

    def _admin(self, sql: str) -> None:
        import psycopg

        with psycopg.connect(self.server, autocommit=True) as admin:
            admin.execute(sql.encode())


@pytest.fixture(params=["duckdb", "sqlite", "postgresql"])
def databases(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Databases]:
    server = request.getfixturevalue("postgres_server") if request.param == "postgresql" else ""
    found = Databases(request.param, tmp_path, server)
    yield found
    found.drop()


@pytest.fixture(params=list(STREAMS))
def style(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def crawl(tmp_path: Path, sandbox: Sandbox, style: str, databases: Databases) -> Crawl:
    config = {
        "base_url": sandbox.url,
        **STREAMS[style],
        "rate_limit": {"requests_per_second": 1000, "concurrency": IN_FLIGHT[style]},
        "commit_every": 0.02,
        "tables": TABLES,
    }
    step = {"step": "crawl", "processor": "generic.api_extractor", "config": config}
    file = tmp_path / "crash.yml"
    file.write_text(json.dumps({"pipeline_id": "crash", "steps": [step]}))
    return Crawl(str(file), databases.fresh(), state=tmp_path / "calm")


def rounds(crawl: Crawl, databases: Databases, kills: deque[Kill], **options: Any) -> Figures:
    """Kill crawls, each into a database of its own, until all ``kills`` have struck."""
    found = Figures()
    for number in count():
        torn = replace(crawl, destination=databases.fresh(), state=crawl.state.with_name(f"torn{number}"))
        one = survive(torn, kills, **options)
        found += one
        if not kills:
            return found
        assert one.kills, f"{kills[0]} never strikes"
    raise AssertionError


def schedule(style: str) -> deque[Kill]:
    """Every fault point, at its first passing and at a later one, and random instants."""
    draw = random.Random(f"{SEED} {style}")
    kills: list[Kill] = [At(point, nth) for point in FAULT_POINTS[1:-2] for nth in (1, draw.randint(2, 3))]
    kills += [After(draw.uniform(0, 0.3)) for _ in range(6)]
    draw.shuffle(kills)
    return deque([At(FAULT_POINTS[0]), *kills, *(At(point) for point in FAULT_POINTS[-2:])])


def same(found: Figures) -> bool:
    return (found.rows_lost, found.rows_doubled, found.pages_different, found.streams_different) == (0, 0, 0, 0)


def test_kills_cost_nothing(crawl: Crawl, sandbox: Sandbox, style: str, databases: Databases, ledger: Any) -> None:
    expected = undisturbed(crawl)
    assert expected.tables["merged"].total()
    assert len(expected.pages) >= 30
    kills = schedule(style)
    due = len(kills)
    sandbox.reset()
    found = rounds(crawl, databases, kills, expected=expected, asked=lambda: sandbox.stats()["by_request"])
    ledger.add(found, IN_FLIGHT[style])
    assert found.kills == due
    assert same(found), found
    assert found.refetched_committed == 0
    assert found.extra <= IN_FLIGHT[style]


def test_without_the_cache_the_tables_are_the_same(crawl: Crawl, style: str, databases: Databases, ledger: Any) -> None:
    expected = undisturbed(crawl)
    kills: deque[Kill] = deque(
        [At("commit.before_commit"), At("fetch.cached", 4), At("commit.after_commit"), After(0.2)]
    )
    found = rounds(crawl, databases, kills, expected=expected, forget_cache=True)
    ledger.add(found, None)
    assert same(found), found
