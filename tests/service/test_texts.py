"""Texts that no answer could hold do not get in, and what is kept can always be shown."""

from __future__ import annotations

from typing import Any

import pytest

from headrace.service import problems
from headrace.state.progress.contract import Request

HALF = b"\\ud800"
"""As JSON writes it."""


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/pipeline/update", b'{"pipeline": "texts", "inputs": {"t": "%s"}}'),
        ("POST", "/pipeline/update", b'{"pipeline": "texts", "inputs": {"%s": "x"}}'),
        ("PUT", "/schedules/s", b'{"pipeline": "texts", "cron": "0 6 * * *", "inputs": {"t": "%s"}}'),
        ("PUT", "/schedules/s", b'{"pipeline": "texts", "cron": "%s 6 * * *"}'),
        ("POST", "/integrations/default/x/setup", b'{"credential": "%s"}'),
        ("POST", "/integrations/default/x/setup", b'{"credential": {"%s": "a"}}'),
    ],
)
def test_half_a_surrogate_pair_is_refused(
    running: Any, api: Any, pipeline_file: Any, config: Any, method: str, path: str, body: bytes
) -> None:
    pipeline_file(config.pipelines, api.url, name="texts", inputs={"t": {"type": "string", "default": "x"}})
    for half in (HALF, HALF.upper().replace(b"U", b"u"), "\ud800".encode("utf-8", "surrogatepass")):
        for kind in ("application/json", "Application/Problem+JSON"):
            answer = running.client.request(method, path, content=body % half, headers={"Content-Type": kind})
            assert answer.status_code == 422, answer.text
            assert answer.headers["content-type"] == "application/problem+json"
    assert running.client.get("/runs").json()["runs"] == []
    for page in ("/", "/ui/runs", "/ui/schedules"):
        assert running.client.get(page).status_code == 200


def test_whole_pairs_and_what_only_looks_like_half_a_one_pass(
    running: Any, api: Any, pipeline_file: Any, config: Any
) -> None:
    pipeline_file(config.pipelines, api.url, name="texts", inputs={"t": {"type": "string", "default": "x"}})
    for text, value in ((rb"\ud83d\ude00", "\U0001f600"), (rb"\\ud800", "\\ud800")):
        sent = b'{"pipeline": "texts", "inputs": {"t": "%s"}}' % text
        answer = running.client.post("/pipeline/update", content=sent, headers={"Content-Type": "application/json"})
        assert answer.status_code == 202, answer.text
        assert running.wait(answer.json()["request_id"])["inputs"] == {"t": value}


def test_utf_16_is_refused(running: Any) -> None:
    sent = '{"pipeline": "lists"}'.encode("utf-16-le")
    answer = running.client.post("/pipeline/update", content=sent, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["detail"]) == (422, "the body is not UTF-8 text")


def test_what_is_kept_can_be_shown(running: Any) -> None:
    store = running.service.store
    store.create(Request("r", "p", inputs={"\ud800": ["\udfff", "\U0001f600", 1]}))
    store.append_events("r", [{"type": "Warned", "message": "an API said \ud800"}])
    running.client.post("/runs/r/cancel")
    assert running.wait("r")["inputs"] == {"?": ["?", "\U0001f600", 1]}
    assert running.client.get("/runs").status_code == 200
    assert "an API said ?" in running.client.get("/ui/runs/r").text


def test_a_problem_can_always_be_answered() -> None:
    answer = problems.answer(problems.Problem(title="t", status=422, detail="\ud800 \xe9"))
    assert b'"detail":"\\ud800 \xc3\xa9"' in answer.body
