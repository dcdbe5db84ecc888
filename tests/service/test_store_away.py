"""The store goes away and comes back while runs go on: they go on, and what they say catches up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from headrace.core.errors import StateError
from headrace.service.app import create_app
from headrace.service.config import ServiceConfig
from headrace.testing.gate import Gate
from headrace.testing.valkey import Valkey, valkey_server

PATIENCE = 60.0
ALL = [(number, f"items {number}") for number in range(50)]
"""The rows of the whole crawl."""


@pytest.fixture
def gate(redis_url: str) -> Iterator[Gate]:
    with Gate(urlsplit(redis_url).port or 0) as gate:
        yield gate


def on(config: ServiceConfig, url: str, **more: Any) -> ServiceConfig:
    return config.model_copy(update={"progress": url, **more})


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


@contextmanager
def failing(running: Any) -> Iterator[None]:
    """What it answers while the store is away."""
    for method, path in (("POST", "/pipeline/update"), ("GET", "/pipeline/status"), ("GET", "/runs")):
        answer = running.client.request(method, path)
        assert answer.status_code == 503, answer.text
        assert "application/problem+json" in answer.headers["content-type"]
        assert "REDIS_URL" in answer.json()["remedy"]
    assert running.client.get("/readyz").status_code == 503
    assert running.client.get("/healthz").status_code == 200
    yield


def test_a_run_goes_on_while_the_store_is_away(
    config: ServiceConfig, api: Any, gate: Gate, serving: Any, rows: Any
) -> None:
    api.allow(2)
    with serving(on(config, f"redis://127.0.0.1:{gate.listening}/0")) as running:
        request_id = running.update()
        running.wait(request_id, lambda found: found["pages"] == 2)
        with gate.away(), failing(running):
            api.allow(4)
            api.wait_for("items", 5)
        caught_up = running.wait(request_id, lambda found: found["pages"] == 4)
        assert caught_up["status"] == "running"
        api.allow(None)
        ended = running.wait(request_id)
        assert (ended["status"], ended["pages"], ended["rows"], ended["progress"]) == ("done", 5, 50, 100.0)
    assert api.asked == [("items", page) for page in range(1, 6)], "no page was asked for again"
    assert rows(config.destinations["duck"], "SELECT id, name FROM items ORDER BY id") == ALL


def test_a_run_that_ends_while_the_store_is_away_is_told_later(
    config: ServiceConfig, api: Any, gate: Gate, serving: Any, rows: Any
) -> None:
    api.allow(2)
    with serving(on(config, f"redis://127.0.0.1:{gate.listening}/0")) as running:
        request_id = running.update(destination="lite")
        running.wait(request_id, lambda found: found["pages"] == 2)
        with gate.away():
            api.allow(None)
            lite = config.destinations["lite"]
            until(lambda: rows(lite, "SELECT status FROM headrace_runs") == [("done",)])
        ended = running.wait(request_id)
        assert (ended["status"], ended["rows"], ended["progress"]) == ("done", 50, 100.0)
        kinds = [event["type"] for _, event in running.service.store.events(request_id)]
        assert {"RunStarted", "StepStarted", "RunFinished"} <= set(kinds)


def test_a_store_that_was_emptied_is_filled_again(
    config: ServiceConfig, api: Any, redis_url: str, serving: Any, rows: Any
) -> None:
    import redis

    api.allow(2)
    with serving(on(config, redis_url, lease_seconds=1.0)) as running:
        request_id = running.update()
        running.wait(request_id, lambda found: found["pages"] == 2)
        with redis.Redis.from_url(redis_url) as client:
            client.flushall()
        until(lambda: running.client.get(f"/runs/{request_id}").status_code == 200)
        found = running.client.get(f"/runs/{request_id}").json()
        assert (found["status"], found["pages"], found["pipeline"]) == ("running", 2, "lists")
        api.allow(None)
        assert running.wait(request_id)["status"] == "done"
    assert api.asked == [("items", page) for page in range(1, 6)]
    assert rows(config.destinations["duck"], "SELECT id, name FROM items ORDER BY id") == ALL


def test_an_end_that_meets_an_emptied_store_is_kept(
    config: ServiceConfig, api: Any, redis_url: str, serving: Any
) -> None:
    import redis

    api.allow(2)
    with serving(on(config, redis_url, lease_seconds=600.0)) as running:  # no beat comes in between
        request_id = running.update()
        running.wait(request_id, lambda found: found["pages"] == 2)
        with redis.Redis.from_url(redis_url) as client:
            client.flushall()
        api.allow(None)
        until(lambda: running.client.get(f"/runs/{request_id}").status_code == 200)
        ended = running.wait(request_id)
        assert (ended["status"], ended["rows"], ended["progress"]) == ("done", 50, 100.0)


def test_a_store_that_cannot_be_reached_at_the_start_is_a_clear_error(config: ServiceConfig, gate: Gate) -> None:
    url = f"redis://user:hidden@127.0.0.1:{gate.listening}/0"
    gate.shut()
    with pytest.raises(StateError, match=rf"(?s)redis://127.0.0.1:{gate.listening}/0: .*REDIS_URL") as caught:
        create_app(on(config, url))
    assert "hidden" not in str(caught.value)


@pytest.mark.service
@pytest.mark.parametrize("kept", ["yes", "no"])
@pytest.mark.parametrize("end", [Valkey.stop, Valkey.kill], ids=["stopped", "killed"])
def test_a_real_server_is_started_again_and_again(
    config: ServiceConfig, api: Any, serving: Any, rows: Any, kept: str, end: Callable[[Valkey], None]
) -> None:
    """Whether it keeps its data or comes back empty."""
    api.pages = 12
    api.allow(1)
    with (
        valkey_server(appendonly=kept, appendfsync="always") as valkey,
        serving(on(config, valkey.url, lease_seconds=1.0)) as running,
    ):
        request_id = running.update()
        for page in range(2, 11, 2):
            running.wait(request_id, lambda found, page=page: found.get("pages") == page - 1)  # type: ignore[misc]  # binds the page
            end(valkey)
            api.allow(page)
            api.wait_for("items", page + 1)
            valkey.start()
            until(lambda: running.client.get(f"/runs/{request_id}").status_code == 200)
            api.allow(page + 1)
        api.allow(None)
        assert running.wait(request_id)["status"] == "done"
    assert api.asked == [("items", page) for page in range(1, 13)]
    assert rows(config.destinations["duck"], "SELECT count(*), count(DISTINCT id) FROM items") == [(120, 120)]
