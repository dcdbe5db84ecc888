"""Runs end when somebody wants it, and at no other time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from headrace.core.errors import StateError
from headrace.service.config import ServiceConfig
from headrace.state.progress.contract import Request
from headrace.state.progress.open import open_progress

WHOLE = "SELECT count(*) AS n, count(DISTINCT id) AS d, min(id) AS a, max(id) AS z FROM items"


def test_a_cancelled_run_keeps_what_it_has_and_can_be_resumed(
    running: Any, api: Any, config: ServiceConfig, rows: Any
) -> None:
    api.allow(2)
    request_id = running.update()
    api.wait_for("items", 3)
    assert running.client.post(f"/runs/{request_id}/cancel").status_code == 202
    ended = running.wait(request_id)
    assert (ended["status"], ended["pages"]) == ("cancelled", 2)
    assert rows(config.destinations["duck"], WHOLE) == [(20, 20, 0, 19)]
    assert running.client.post(f"/runs/{request_id}/cancel").status_code == 409
    api.allow(None)
    assert running.client.post(f"/runs/{request_id}/resume").status_code == 202
    assert running.wait(request_id)["status"] == "done"
    assert rows(config.destinations["duck"], WHOLE) == [(50, 50, 0, 49)]
    assert Counter(api.asked) == {("items", page): 2 if page == 3 else 1 for page in range(1, 6)}
    assert running.client.post(f"/runs/{request_id}/resume").status_code == 409


def test_a_queued_run_is_cancelled_at_once(config: ServiceConfig, serving: Any, api: Any) -> None:
    api.allow(0)
    with serving(config.model_copy(update={"max_runs": 1})) as running:
        first = running.update()
        running.wait(first, lambda found: found["status"] == "running")
        second = running.update(destination="lite")
        assert running.client.post(f"/runs/{second}/cancel").status_code == 202
        assert running.client.get(f"/runs/{second}").json()["status"] == "cancelled"
        api.allow(None)
        assert running.wait(first)["status"] == "done"
        assert Counter(api.asked) == {("items", page): 1 for page in range(1, 6)}


def test_a_paused_run_goes_on_for_as_many_pages_as_it_is_told(running: Any, api: Any) -> None:
    request_id = running.update(max_pages=1)
    assert running.wait(request_id)["status"] == "partial"
    running.client.post(f"/runs/{request_id}/resume", json={"max_pages": 2})
    assert running.wait(request_id)["status"] == "partial"
    running.client.post(f"/runs/{request_id}/resume")
    assert running.wait(request_id)["status"] == "done"
    assert Counter(api.asked) == {("items", page): 1 for page in range(1, 6)}


def test_a_failed_run_says_why_and_is_resumed_with_the_file_that_it_began_with(
    running: Any, api: Any, config: ServiceConfig, rows: Any
) -> None:
    answer = api.answer
    api.answer = lambda name, page: {"error": "gone"} if page == 3 else answer(name, page)
    request_id = running.update()
    failed = running.wait(request_id)
    assert failed["status"] == "failed"
    assert "data" in failed["error"]
    api.answer = answer
    file = config.pipelines / "lists.yml"  # type: ignore[operator]
    changed = yaml.safe_load(file.read_text())
    changed["steps"][0]["config"]["url"] = "/elsewhere"
    file.write_text(yaml.safe_dump(changed))
    assert running.client.post(f"/runs/{request_id}/resume").status_code == 202
    assert running.wait(request_id)["status"] == "done"
    assert rows(config.destinations["duck"], WHOLE) == [(50, 50, 0, 49)]
    assert {name for name, _ in api.asked} == {"items"}


def test_runs_into_one_file_go_on_side_by_side(
    config: ServiceConfig, serving: Any, api: Any, pipeline_file: Any, rows: Any
) -> None:
    names = ["one", "two", "three"]
    for name in names:
        pipeline_file(config.pipelines, api.url, f"{name}_items", name=name)
    api.allow(2)
    with serving(config) as running:
        ids = [running.update(pipeline=name) for name in names]
        for name in names:
            api.wait_for(f"{name}_items", 3)
        url = config.destinations["duck"]
        for request_id in ids:
            running.wait(request_id, lambda found: found["pages"] == 2)
        assert rows(url, "SELECT count(*) AS n FROM one_items") == [(20,)]  # the file can be read meanwhile
        api.allow(None)
        for request_id, name in zip(ids, names, strict=True):
            assert running.wait(request_id)["status"] == "done"
            assert rows(url, WHOLE.replace("items", f"{name}_items")) == [(50, 50, 0, 49)]
    assert set(Counter(api.asked).values()) == {1}


def test_a_stopped_service_gives_its_runs_back_and_the_next_one_goes_on(
    config: ServiceConfig, serving: Any, api: Any, rows: Any
) -> None:
    api.allow(2)
    with serving(config) as running:
        request_id = running.update()
        api.wait_for("items", 3)
    store = open_progress(None, config.state)
    found = store.get(request_id)
    store.close()
    assert found is not None
    assert (found.status, found.pages) == ("queued", 2)
    api.allow(None)
    with serving(config) as running:
        assert running.wait(request_id)["status"] == "done"
    assert rows(config.destinations["duck"], WHOLE) == [(50, 50, 0, 49)]
    assert Counter(api.asked) == {("items", page): 2 if page == 3 else 1 for page in range(1, 6)}


class Away:
    """A store that cannot be reached while ``away`` is set."""

    def __init__(self, store: Any) -> None:
        self._store, self.away, self.refused = store, threading.Event(), threading.Event()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)

        def call(*given: Any, **more: Any) -> Any:
            if self.away.is_set():
                if name == "find":
                    self.refused.set()
                raise StateError("the store is away")
            return found(*given, **more)

        return call


def test_a_run_goes_on_while_the_store_is_away_and_is_told_when_it_is_back(
    config: ServiceConfig, serving: Any, api: Any, rows: Any
) -> None:
    store = Away(open_progress(None, config.state))
    api.allow(1)
    with serving(config, store=store) as running:
        request_id = running.update()
        api.wait_for("items", 2)
        store.away.set()
        assert running.client.get("/readyz").status_code == 503
        assert running.client.get(f"/runs/{request_id}").status_code == 503
        assert running.client.post("/pipeline/update").status_code == 503
        api.allow(None)
        api.wait_for("items", 5)
        store.away.clear()
        assert running.wait(request_id)["status"] == "done"
        with running.client.stream("GET", f"/runs/{request_id}/events") as stream:
            kinds = [line[7:] for line in stream.iter_lines() if line.startswith("event: ")]
        assert kinds.count("RunStarted") == kinds.count("RunFinished") == 1
    assert rows(config.destinations["duck"], WHOLE) == [(50, 50, 0, 49)]


def test_the_first_page_goes_on_when_the_store_is_back(config: ServiceConfig, serving: Any, api: Any) -> None:
    store = Away(open_progress(None, config.state))
    api.allow(0)
    with serving(config, store=store) as running, running.client.stream("GET", "/ui/live") as stream:
        lines = stream.iter_lines()
        assert any("Nothing is running" in line for line in lines)
        store.away.set()
        assert store.refused.wait(60)
        store.away.clear()
        with httpx.Client(base_url=running.url, timeout=60) as other:
            other.post("/pipeline/update")
            assert any("lists" in line for line in lines)
        api.allow(None)


@contextmanager
def process(config: ServiceConfig, folder: Path) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """``headrace serve`` with ``config``; what it still does at the end is killed."""
    file = folder / "service.yml"
    file.write_text(yaml.safe_dump({**config.model_dump(mode="json", exclude_none=True, exclude={"port"})}))
    command = [sys.executable, "-m", "headrace", "serve", "--config", str(file), "--port", "0"]
    started = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder, env={**os.environ})
    try:
        assert started.stdout is not None
        line = started.stdout.readline()
        assert line.startswith("http://"), line
        with httpx.Client(base_url=line.split()[0], timeout=60) as client:
            yield started, client
    finally:
        if started.poll() is None:
            started.kill()
        started.wait(60)
        assert started.stdout is not None
        started.stdout.close()


def ended(client: httpx.Client, request_id: str, until: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    for _ in range(120):
        found: dict[str, Any] = client.get(f"/pipeline/status/{request_id}", params={"wait": 1}).json()
        if until(found):
            return found
    raise AssertionError(found)


@pytest.mark.parametrize("destination", ["duck", "lite"])
def test_a_killed_service_resumes_its_runs_by_itself(
    config: ServiceConfig, api: Any, rows: Any, tmp_path: Path, destination: str
) -> None:
    config = config.model_copy(update={"lease_seconds": 1.0})
    api.allow(3)
    with process(config, tmp_path) as (started, client):
        request_id = client.post("/pipeline/update", json={"destination": destination}).json()["request_id"]
        ended(client, request_id, lambda found: found["pages"] == 3)
        started.kill()
        started.wait(60)
    api.allow(None)
    with process(config, tmp_path) as (_, client):
        done = ended(client, request_id, lambda found: not found["running"])
        assert (done["status"], done["progress"]) == ("done", 100)
    assert rows(config.destinations[destination], WHOLE) == [(50, 50, 0, 49)]
    assert Counter(api.asked) == {("items", page): 2 if page == 4 else 1 for page in range(1, 6)}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM")
def test_sigterm_lets_runs_commit_and_ends_with_0(config: ServiceConfig, api: Any, tmp_path: Path) -> None:
    api.allow(2)
    with process(config, tmp_path) as (started, client):
        request_id = client.post("/pipeline/update").json()["request_id"]
        api.wait_for("items", 3)
        stream = threading.Thread(target=lambda: client.get(f"/runs/{request_id}/events"))
        stream.start()
        started.send_signal(signal.SIGTERM)
        assert started.wait(60) == 0
        stream.join(60)
    store = open_progress(None, config.state)
    found: Request | None = store.get(request_id)
    store.close()
    assert found is not None
    assert (found.status, found.pages, found.owner) == ("queued", 2, "")
