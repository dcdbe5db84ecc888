"""The service while it works: 200 status polls a second and 100 open event streams, beside three runs at 100 ms a page."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pipelines
import yaml
from common import HERE, Figure, Given, Outcome, finish, folder, median, say, server, start

PAGES, SIZE, LATENCY = 200, 100, 100
RUNS = ("one", "two", "three")
POSTS = 30
"""Further runs that are asked for, and wait, while those three go on."""


def run(given: Given) -> Outcome:
    pages = PAGES // 4 if given.quick else PAGES
    with server(pages * SIZE, SIZE, "--shape", "small", "--latency", LATENCY) as api:
        alone = _three(api, pages, load=False)
        loaded = _three(api, pages, load=True)
    ideal = pages * LATENCY / 1000
    told = loaded["load"]
    return Outcome(
        [
            Figure("status_p99_ms", told["p99"], 100, "below"),
            Figure("status_p50_ms", told["p50"]),
            Figure("status_polls_per_second", told["rate"], 195, "least"),
            Figure("status_failed", told["failed"], 0),
            Figure("streams_with_every_event", told["whole"], 100, "least"),
            Figure("event_lag_p99_ms", told["lag"]),
            Figure("runs_vs_alone", loaded["seconds"] / alone["seconds"], 1.1),
            Figure("runs_vs_pages_x_latency", loaded["seconds"] / ideal),
            Figure("update_p99_ms", loaded["post"], 50, "below"),
            Figure("update_p50_ms", loaded["post_median"]),
            Figure("service_cpu_share", loaded["cpu"] / loaded["wall"]),
        ],
        [f"Three runs of {pages} pages of {SIZE} small records, {LATENCY} ms each, into one DuckDB file of one service "
         f"({ideal:.0f} s at best): {alone['seconds']:.1f} s alone, {loaded['seconds']:.1f} s beside {told['polls']} polls and "
         f"{told['streams']} streams ({told['events']} events). Polls, streams and server are processes of the same two cores."],
    )  # fmt: skip


def _three(api: str, pages: int, *, load: bool) -> dict[str, Any]:
    """The longest of three runs side by side, what the service took, and what ``load`` told."""
    with folder() as where, _service(where, api) as (url, process):
        first = [_update(url, name) for name in RUNS]
        ids = [request_id for request_id, _ in first]
        for request_id in ids:
            while _get(f"{url}/runs/{request_id}")["pages"] < 1:
                time.sleep(0.05)
        began, cpu = time.perf_counter(), _cpu(process.pid)
        told: dict[str, Any] = {}
        posts: list[float] = []
        if load:
            asking = start(
                [sys.executable, str(HERE / "service_load.py"), url, str(pages * LATENCY / 1000 * 0.8), *ids]
            )
            waiting = [_update(url, RUNS[0], f"more{number}") for number in range(POSTS)]
            posts = [seconds for _, seconds in waiting]
            for request_id, _ in waiting:
                _post(f"{url}/runs/{request_id}/cancel")
            told = finish(asking).told()
        shown = [_ended(url, request_id) for request_id in ids]
        wall, spent = time.perf_counter() - began, _cpu(process.pid) - cpu
        seconds = max(_seconds(each) for each in shown)
        say(f"{'loaded' if load else 'alone':8} {seconds:6.2f} s, {spent:5.2f} CPU s {json.dumps(told)}")
        posts.sort()
        return {
            "seconds": seconds, "cpu": spent, "wall": wall, "load": told,
            "post": 1000 * posts[int(0.99 * len(posts))] if posts else 0.0, "post_median": 1000 * median(posts) if posts else 0.0,
        }  # fmt: skip


@contextlib.contextmanager
def _service(where: Path, api: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    (where / "pipelines").mkdir()
    whole = yaml.safe_load(pipelines.small(where).read_text())
    for name in RUNS:
        text = json.dumps(whole).replace('"items"', f'"{name}"')
        (where / "pipelines" / f"{name}.yml").write_text(json.dumps({**json.loads(text), "pipeline_id": name}))
    config = where / "service.yml"
    databases = {"files": f"duckdb:///{where}/all.duckdb"}
    databases |= {f"more{number}": f"sqlite:///{where}/more{number}.db" for number in range(POSTS)}
    config.write_text(
        json.dumps({"destinations": databases, "pipelines": "pipelines", "max_runs": len(RUNS), "state": "state",
                    "default_pipeline": "one", "allowed_hosts": ["127.0.0.1"]})
    )  # fmt: skip
    command = [str(Path(sys.executable).parent / "headrace"), "serve", "--config", str(config), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=where)
    _BASE[0] = api
    try:
        line = process.stdout.readline()  # type: ignore[union-attr]
        if not line:
            raise SystemExit("the service did not start")
        yield line.split()[0], process
    finally:
        process.terminate()
        process.wait()


_BASE = [""]


def _update(url: str, pipeline: str, destination: str = "files") -> tuple[str, float]:
    """The id of a run that is asked for, and the seconds until it came."""
    asked = {"pipeline": pipeline, "inputs": {"base": _BASE[0]}, "destination": destination}
    began = time.perf_counter()
    found = _post(f"{url}/pipeline/update", asked)
    return str(found["request_id"]), time.perf_counter() - began


def _ended(url: str, request_id: str) -> dict[str, Any]:
    while (found := _get(f"{url}/pipeline/status/{request_id}?wait=30"))["running"]:
        pass
    if found["status"] != "done":
        raise SystemExit(f"{found['status']}: {found['error']}")
    return found


def _seconds(shown: dict[str, Any]) -> float:
    return float(shown["steps"][0]["seconds"])


def _get(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=60) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def _post(url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    data = json.dumps(body).encode() if body is not None else b""
    request = urllib.request.Request(url, data=data, method="POST", headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            found: dict[str, Any] = json.load(answer)
    except urllib.error.HTTPError as error:
        raise SystemExit(f"{url}: {error.read().decode()}") from None
    return found


def _cpu(pid: int) -> float:
    import os

    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
