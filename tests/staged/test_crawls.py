"""Crawls into staged files, killed at every kind of instant: the same files, and no committed page asked for again."""

from __future__ import annotations

import json
import random
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headrace.core.contracts import Destination
from headrace.sandbox import Options, Sandbox, run_in_thread
from headrace.testing.crash.cells import IN_FLIGHT, pipeline
from headrace.testing.crash.crawl import Crawl
from headrace.testing.crash.outcome import Outcome
from headrace.testing.crash.strikes import At, Strike
from headrace.testing.crash.survive import survive, undisturbed
from headrace.testing.crash.zygote import warm

STRIKES = [
    At("storage.operation", 3),
    At("storage.answered", 9),
    At("commit.before_commit"),
    At("commit.after_commit"),
]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with run_in_thread(Options(seed=2)) as found:
        yield found


def crawl_of(style: str, sandbox: Sandbox, folder: Path) -> tuple[Crawl, Outcome]:
    """The matrix's crawl with the tables that files can hold, and what it leaves undisturbed."""
    document: dict[str, Any] = pipeline(style, sandbox.url, 100, 10)
    for step in document["steps"]:
        step["config"]["tables"] = [each for each in step["config"]["tables"] if each.get("write") == "append"]
    file = folder / "crash.yml"
    file.write_text(json.dumps(document))
    calm = Crawl(str(file), f"file:///{folder}/calm", folder / "calm-state")
    expected = undisturbed(calm)
    assert expected.tables["appended"].total() >= 100
    return calm, expected


def struck(style: str, stage: Destination, sandbox: Sandbox, folder: Path, strikes: deque[Strike]) -> int:
    calm, expected = crawl_of(style, sandbox, folder)
    sandbox.reset()
    torn = replace(calm, destination=stage.url, state=folder / "torn")
    found = survive(torn, strikes, expected=expected, in_flight=IN_FLIGHT[style])
    assert found.clean, found
    return found.kills


@pytest.mark.crash
def test_a_crawl_that_is_killed_stages_the_same_files(folder: Destination, sandbox: Sandbox, tmp_path: Path) -> None:
    with warm():
        kills = struck("sequential", folder, sandbox, tmp_path, deque(STRIKES))
    assert kills >= 3


@pytest.mark.crash
@pytest.mark.parametrize("style", ["sequential", "windowed", "sliced"])
@pytest.mark.parametrize("seed", range(2))
def test_killed_at_random_operations(
    stage: Destination, sandbox: Sandbox, tmp_path: Path, style: str, seed: int
) -> None:
    chance = random.Random(seed)
    points = ["storage.operation", "storage.answered", "commit.sql", "commit.staged", "fetch.received"]
    strikes: deque[Strike] = deque([At(points[0], chance.randint(1, 6))])
    strikes += [At(chance.choice(points), chance.randint(1, 6)) for _ in range(9)]
    with warm():
        assert struck(style, stage, sandbox, tmp_path, strikes) > 0
