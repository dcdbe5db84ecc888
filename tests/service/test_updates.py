"""A run is asked for, goes on, and ends, as its addresses tell it."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx
import pytest

from headrace.service.config import ServiceConfig


def test_an_update_answers_with_an_id_that_answers_from_then_on(running: Any, api: Any, config: ServiceConfig) -> None:
    api.allow(2)
    answer = running.client.post("/pipeline/update")
    assert answer.status_code == 202
    request_id = answer.json()["request_id"]
    assert answer.headers["location"] == f"/pipeline/status/{request_id}"
    first = running.client.get(f"/pipeline/status/{request_id}").json()
    assert (first["pipeline"], first["destination"], first["running"]) == ("lists", "duck", True)
    half = running.wait(request_id, lambda found: found["progress"] is not None)
    assert half["step"] == "Fetching items"
    assert 0 < half["progress"] < 100
    assert running.client.get("/pipeline/status").json()["request_id"] == request_id
    api.allow(None)
    done = running.wait(request_id)
    assert (done["status"], done["step"], done["progress"], done["error"]) == ("done", "Completed", 100, None)
    assert done["steps"][0]["rows"] == {"items": 50}
    assert running.client.get("/pipeline/status").json() == done


def test_percent_never_falls_and_is_null_while_nobody_knows_how_much_there_is(running: Any, api: Any) -> None:
    api.totals = False
    api.allow(2)
    first = running.update()
    api.wait_for("items", 3)
    running.wait(first, lambda found: found["pages"] == 2)
    assert running.client.get(f"/runs/{first}").json()["progress"] is None
    api.allow(None)
    assert running.wait(first)["progress"] == 100
    api.asked.clear()
    api.allow(2)
    second = running.update()  # the first one has shown how much there is
    half = running.wait(second, lambda found: found["pages"] == 2)
    assert half["progress"] == 40
    api.allow(None)
    with running.client.stream("GET", f"/runs/{second}/events") as stream:
        shares = [event["progress"] for kind, event in messages(stream) if kind == "Progress"]
    known = [share for share in shares if share is not None]
    assert known == sorted(known)
    assert known


def test_the_same_key_gives_the_same_run(running: Any, api: Any) -> None:
    api.allow(0)
    key = {"Idempotency-Key": "monday"}
    answers = [running.client.post("/pipeline/update", headers=key) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 202]  # a 409 names the run as well
    ids = {answer.json()["request_id"] for answer in answers}
    assert len(ids) == 1
    api.allow(None)
    running.wait(ids.pop())
    assert len(running.client.get("/runs").json()["runs"]) == 1


def test_the_same_scope_runs_once_at_a_time(running: Any, api: Any) -> None:
    api.allow(0)
    first = running.update()
    again = running.client.post("/pipeline/update")
    assert again.status_code == 409
    assert again.headers["content-type"] == "application/problem+json"
    assert again.json()["request_id"] == first
    other = running.update(destination="lite")
    assert other != first
    api.allow(None)
    for each in (first, other):
        assert running.wait(each)["status"] == "done"
    assert running.update() not in (first, other)


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"pipeline": "nope"}, "lists"),
        ({"pipeline": "../lists"}, "lists"),
        ({"pipeline": "/etc/passwd"}, "lists"),
        ({"inputs": {"contry": "us"}}, "inputs of lists: none"),
        ({"pipeline": "sapi", "inputs": {"contry": "us"}}, "country (string)"),
        ({"destination": "elsewhere"}, "duck, lite"),
        ({"destination": "sqlite:///x.db"}, "duck, lite"),
        ({"steps": ["nope"]}, "items"),
        ({"max_pages": 0}, "max_pages"),
        ({"destinaton": "lite"}, "destinaton"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_is_allowed(running: Any, asked: dict[str, Any], named: str) -> None:
    answer = running.client.post("/pipeline/update", json=asked)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert named in answer.text
    assert running.client.get("/runs").json() == {"runs": [], "next": None}


def test_errors_are_problems(running: Any) -> None:
    for method, address, status in [
        ("GET", "/nowhere", 404), ("DELETE", "/runs", 405), ("GET", "/pipeline/status", 404), ("GET", "/runs/x", 404),
        ("GET", "/runs/x/events", 404), ("POST", "/runs/x/cancel", 404), ("GET", "/runs?limit=0", 422),
    ]:  # fmt: skip
        answer = running.client.request(method, address)
        assert answer.status_code == status, address
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status


def test_runs_are_listed_newest_first_page_by_page(running: Any) -> None:
    ids = []
    for _ in range(5):
        ids.append(running.update())
        running.wait(ids[-1])
    assert [run["request_id"] for run in running.client.get("/runs").json()["runs"]] == ids[::-1]
    found: list[str] = []
    before: dict[str, str] = {}
    while True:
        page = running.client.get("/runs", params={"limit": 2, **before}).json()
        found += [run["request_id"] for run in page["runs"]]
        if page["next"] is None:
            break
        before = {"before": page["next"]}
    assert found == ids[::-1]
    assert running.client.get("/runs", params={"status": ["failed", "queued"]}).json()["runs"] == []
    assert len(running.client.get("/runs", params={"pipeline": "lists", "status": "done"}).json()["runs"]) == 5


def test_a_stream_has_each_event_once_and_ends_with_the_run(running: Any, api: Any) -> None:
    api.allow(2)
    request_id = running.update()
    seen: list[tuple[str, Any]] = []
    with running.client.stream("GET", f"/runs/{request_id}/events") as stream:
        for kind, data in messages(stream):
            seen.append((kind, data))
            if kind == "RunStarted":
                api.allow(None)
    kinds = [kind for kind, _ in seen]
    assert kinds[-2:] == ["status", "end"]
    assert kinds.count("RunStarted") == kinds.count("RunFinished") == kinds.count("StepStarted") == 1
    assert seen[-2][1]["status"] == "done"
    assert "duckdb:" not in json.dumps(seen)
    with running.client.stream("GET", f"/runs/{request_id}/events") as stream:
        numbers = [int(line[4:]) for line in stream.iter_lines() if line.startswith("id: ")]
    assert numbers == list(range(1, len(numbers) + 1))
    resumed = {"Last-Event-ID": str(numbers[-3])}
    with running.client.stream("GET", f"/runs/{request_id}/events", headers=resumed) as stream:
        assert [int(line[4:]) for line in stream.iter_lines() if line.startswith("id: ")] == numbers[-2:]
    seen_all = {"Last-Event-ID": str(numbers[-1])}
    assert running.client.get(f"/runs/{request_id}/events", headers=seen_all).status_code == 204


def test_a_status_can_be_waited_for(running: Any, api: Any) -> None:
    """An answer either has news, or the time was up."""
    api.allow(0)
    request_id = running.update()
    found = running.wait(request_id, lambda found: found["status"] == "running")
    with httpx.Client(base_url=running.url, timeout=60) as other:

        def waited(seconds: float) -> dict[str, Any]:
            begun = time.monotonic()
            answer: dict[str, Any] = other.get(f"/pipeline/status/{request_id}", params={"wait": seconds}).json()
            news = any(answer[name] != found[name] for name in ("status", "step", "progress"))
            assert news or time.monotonic() - begun >= seconds
            return answer

        found = waited(1.5)
        api.allow(None)
        while found["running"]:
            found = waited(30)
    assert found["status"] == "done"


def test_it_lives_and_is_ready_and_describes_itself(running: Any) -> None:
    assert running.client.get("/healthz").json() == {"status": "ok"}
    assert running.client.get("/readyz").status_code == 200
    document = running.client.get("/openapi.json").json()
    assert "/pipeline/update" in document["paths"]
    assert running.client.get("/docs").status_code == 200


def test_what_the_runs_add_up_to_is_there_for_prometheus(running: Any, api: Any) -> None:
    api.allow(None)
    found = running.wait(running.update(), lambda found: not found["running"])
    answer = running.client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert f'headrace_runs_total{{pipeline="{found["pipeline"]}",status="done"}} 1\n' in answer.text
    assert f'headrace_run_active{{pipeline="{found["pipeline"]}"}} 0\n' in answer.text
    assert (
        sum(int(line.split()[-1]) for line in answer.text.splitlines() if line.startswith("headrace_rows_total"))
        == (found["rows"])
    )


def test_no_database_is_opened_before_the_answer(config: ServiceConfig, serving: Any) -> None:
    destinations = {"gone": "postgresql://me@127.0.0.1:1/none"}
    with serving(config.model_copy(update={"destinations": destinations})) as running:
        request_id = running.update()  # 202, though nobody is there
        failed = running.wait(request_id)
    assert failed["status"] == "failed"
    assert "127.0.0.1:1" in failed["error"]
    assert failed["rows"] == 0


def messages(stream: httpx.Response) -> Any:
    """(event, data) of each message of an event stream."""
    kind = ""
    for line in stream.iter_lines():
        if line.startswith("event: "):
            kind = line[7:]
        elif line.startswith("data: "):
            yield kind, json.loads(line[6:])
