"""What a service is without any configuration, and what the environment makes of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from headrace.service.config import ServiceConfig, read_config
from headrace.testing.api import Answer
from headrace.testing.api import serving as serve

SHOWS = [
    {"id": 1, "name": "One", "language": "English", "genres": ["Action"], "rating": {"average": 8.5}},
    {"id": 2, "name": "Two", "language": "French", "genres": ["Action"], "rating": {"average": 9.5}},
]
CAST = [{"person": {"id": 7, "name": "Ann"}, "character": {"id": 9, "name": "The One"}}]


def tvmaze(path: str, query: dict[str, str]) -> Answer:
    pages: dict[tuple[str, str | None], Any] = {("/shows", "0"): SHOWS, ("/shows/1/cast", None): CAST}
    found = pages.get((path, query.get("page")))
    return None if found is None else (json.dumps(found).encode(), 200, {})


def test_an_update_without_a_body_brings_tv_shows_into_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serving: Any, rows: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    with serve(tvmaze) as api:
        rewrite = {"api.tvmaze.com": api.url}
        config = read_config(environ={}, state=tmp_path / "state", rewrite=rewrite)
        assert (config.host, config.port) == ("127.0.0.1", 8000)
        with serving(config) as running:
            answer = running.client.post("/pipeline/update")
            assert answer.status_code == 202
            done = running.wait(answer.json()["request_id"])
    assert (done["pipeline"], done["status"], done["step"], done["progress"]) == ("tvmaze", "done", "Completed", 100)
    titles = [step["title"] for step in done["steps"]]
    assert titles == ["Fetching all shows", "Computing top shows", "Fetching cast"]
    assert [path.name for path in tmp_path.glob("*.db*")] == ["tvshows.db"]
    url = "sqlite:///tvshows.db"
    assert rows(url, "SELECT id FROM All_Shows ORDER BY id") == [(1,), (2,)]
    assert rows(url, "SELECT id FROM Top_Shows") == [(1,)]
    assert rows(url, "SELECT show_id, person_name FROM Top_Shows_Cast") == [(1, "Ann")]


def test_redis_url_names_the_store_of_several_instances(
    config: ServiceConfig, serving: Any, api: Any, redis_url: str, tmp_path: Path
) -> None:
    shared = read_config(environ={"REDIS_URL": redis_url}).progress
    api.allow(0)
    config = config.model_copy(update={"progress": shared})
    elsewhere = config.model_copy(update={"state": tmp_path / "elsewhere"})
    with serving(config) as one, serving(elsewhere) as other:
        request_id = one.update()
        assert other.client.get(f"/pipeline/status/{request_id}").json()["running"] is True
        assert other.client.get("/pipeline/status").json()["request_id"] == request_id
        assert other.client.post("/pipeline/update").status_code == 409
        api.allow(None)
        assert other.wait(request_id)["status"] == "done"
        with redis.Redis.from_url(redis_url, decode_responses=True) as client:
            found = client.hgetall(f"headrace:request:{request_id}")
    assert (found["step"], float(found["progress"]), found["status"]) == ("Completed", 100, "done")


def test_the_nearer_place_wins(tmp_path: Path) -> None:
    environ = {"REDIS_URL": "redis://a/0", "HEADRACE_PROGRESS": "redis://b/0"}
    assert read_config(environ={}).progress is None
    assert read_config(environ=environ).progress == "redis://b/0"
    file = tmp_path / "service.yml"
    file.write_text("progress: redis://c/0\n")
    assert read_config(file, environ=environ).progress == "redis://c/0"
    assert read_config(file, environ=environ, progress="redis://d/0").progress == "redis://d/0"


def test_a_service_that_others_may_reach_shows_its_first_key_once(tmp_path: Path) -> None:
    """And is closed without it, but for the description of its API and the word that it lives."""
    (file := tmp_path / "service.yml").write_text(f"require_keys: true\nport: 0\nstate: {tmp_path / 'state'}\n")
    environ = {name: value for name, value in os.environ.items() if name not in ("REDIS_URL", "HEADRACE_PROGRESS")}
    said = []
    for _ in range(2):
        started = subprocess.Popen(
            [sys.executable, "-m", "headrace", "serve", "--config", str(file)],
            stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=environ,
        )  # fmt: skip
        assert started.stdout is not None
        try:
            lines = [started.stdout.readline()]
            while lines[-1] and not lines[-1].startswith("http://"):
                lines.append(started.stdout.readline())
            with httpx.Client(base_url=lines[-1].split()[0], timeout=60) as client:
                assert [client.get(path).status_code for path in ("/docs", "/healthz")] == [200, 200]
                assert client.get("/runs").status_code == 401
                said.append("".join(lines[:-1]))
                key = said[0].split()[-1]
                assert client.get("/runs", headers={"X-API-Key": key}).status_code == 200
            started.terminate()
            said[-1] += started.stdout.read()
            assert started.wait(60) == 0
        finally:
            started.kill()
            started.wait(60)
            started.stdout.close()
    assert said[0].count("administrator's API key") == 1
    assert said[1] == ""
