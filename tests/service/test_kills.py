"""kill -9 of ``headrace serve`` at random instants, again and again, with three runs going on."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from headrace.core.errors import ArchiveMissing
from headrace.destinations import from_url
from headrace.service.config import ServiceConfig

PAGES, KILLS = 60, 12


def start(config: ServiceConfig, folder: Path) -> tuple[subprocess.Popen[str], str]:
    file = folder / "service.yml"
    file.write_text(yaml.safe_dump(config.model_dump(mode="json", exclude_none=True, exclude={"port"})))
    command = [sys.executable, "-m", "headrace", "serve", "--config", str(file), "--port", "0"]
    started = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder, env={**os.environ})
    assert started.stdout is not None
    return started, started.stdout.readline().split(maxsplit=1)[0]


def committed(url: str, request_ids: list[str]) -> set[tuple[str, int]]:
    """(list, page) of each page that is in the archive."""
    found: set[tuple[str, int]] = set()
    with from_url(url).open() as session:
        for name in ("one", "two", "three"):
            for request_id in request_ids:
                with suppress(ArchiveMissing):  # not begun yet
                    archive = session.raw_pages(f"{name}_raw_pages", run_id=request_id)
                    found |= {(name, page.page_number) for page in archive}
    return found


@pytest.mark.service
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("destination", ["duck", "lite"])
def test_tables_are_exact_and_no_committed_page_is_fetched_again(
    config: ServiceConfig, api: Any, pipeline_file: Any, rows: Any, tmp_path: Path, destination: str, seed: int
) -> None:
    draw = random.Random(seed)
    config = config.model_copy(update={"lease_seconds": 1.0})
    names = ("one", "two", "three")
    for name in names:
        pipeline_file(config.pipelines, api.url, name, name=name)
    api.pages = PAGES
    answer = api.answer

    def late(name: str, page: int) -> Any:
        time.sleep(0.03)  # so that kills strike in the middle
        return answer(name, page)

    api.answer = late
    ids: list[str] = []
    kills = most_kept = 0
    while True:
        before = committed(config.destinations[destination], ids) if ids else set()
        since = len(api.asked)
        process, url = start(config, tmp_path)
        try:
            with httpx.Client(base_url=url, timeout=60) as client:
                if not ids:
                    asked = [{"pipeline": name, "destination": destination} for name in names]
                    ids = [client.post("/pipeline/update", json=each).json()["request_id"] for each in asked]
                until = time.monotonic() + (draw.uniform(0.2, 3.0) if kills < KILLS else 120)
                running = True
                while running and time.monotonic() < until:
                    shown = [client.get(f"/runs/{request_id}").json() for request_id in ids]
                    running = any(each["running"] for each in shown)
                    time.sleep(0.02)
        finally:
            process.kill()
            process.wait(60)
            assert process.stdout is not None
            process.stdout.close()
        most_kept = max(most_kept, len(before))
        again = before & set(api.asked[since:])
        assert not again, f"committed before the kill, and fetched again: {sorted(again)}"
        kills += 1
        if not running:
            break
        assert kills <= KILLS, shown
    assert [each["status"] for each in shown] == ["done"] * 3, shown
    whole = PAGES * api.size
    for name in names:
        sql = f"SELECT count(*) AS n, count(DISTINCT id) AS d, min(id) AS a, max(id) AS z FROM {name}"
        assert rows(config.destinations[destination], sql) == [(whole, whole, 0, whole - 1)]
    assert most_kept > 0, "no kill struck in the middle"
    most = Counter(api.asked).most_common(1)[0][1]
    assert most <= 1 + kills
