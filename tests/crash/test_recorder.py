"""The stand-in that remembers."""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping
from urllib.error import HTTPError

import pytest

from headrace.testing.api import serving
from headrace.testing.crash.recorder import Memory, parameters, recording


def get(url: str, body: bytes | None = None) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body)) as answer:
            return answer.status, answer.read()
    except HTTPError as error:
        with error:
            return error.code, error.read()


def test_an_answer_is_asked_for_once() -> None:
    memory, times = Memory(), []

    def answer(path: str, query: dict[str, str]) -> tuple[bytes, int, Mapping[str, str]]:
        times.append(path)
        return f'{{"n": {len(times)}}}'.encode(), 200, {"X-Next": "b"}

    with serving(answer) as api, recording(api.url, memory) as url:
        assert get(f"{url}/a?page=1&api_key=s") == (200, b'{"n": 1}')
        assert get(f"{url}/a?page=1&api_key=s") == (200, b'{"n": 1}')
        assert get(f"{url}/a?page=2&api_key=s") == (200, b'{"n": 2}')
    assert memory.forwarded == 2
    assert memory.asked() == {"GET /a?page=1&api_key=s": 2, "GET /a?page=2&api_key=s": 1}
    assert memory.asked(parameters({"/a?page=9"})) == {"GET /a?page=1": 2, "GET /a?page=2": 1}


@pytest.mark.parametrize("status", [429, 503])
def test_a_refusal_is_not_remembered(status: int) -> None:
    memory, answers = Memory(), [(b"no", status, {}), (b"yes", 200, {})]
    with serving(lambda path, query: answers.pop(0)) as api, recording(api.url, memory) as url:
        assert get(f"{url}/a") == (status, b"no")
        assert get(f"{url}/a") == (200, b"yes")
        assert get(f"{url}/a") == (200, b"yes")


def test_an_api_that_is_not_there_is_a_502() -> None:
    with recording("http://127.0.0.1:1", Memory()) as url:
        status, text = get(f"{url}/a")
    assert status == 502
    assert b"127.0.0.1:1" in text
