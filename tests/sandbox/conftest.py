"""A running sandbox, and a client of the standard library alone."""

from __future__ import annotations

import gzip
import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from headrace.sandbox import Options, Sandbox, run_in_thread

pytest.register_assert_rewrite("tests.sandbox.walks")


@dataclass
class Got:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Keeps one connection; undoes gzip; raises what :mod:`http.client` raises."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.url = url
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)

    def __call__(
        self,
        target: str,
        params: dict[str, Any] | None = None,
        *,
        method: str = "GET",
        body: bytes | dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Got:
        target = target.removeprefix(self.url)
        if params:
            target += ("&" if "?" in target else "?") + urlencode(params)
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        try:
            self._connection.request(method, target, body=data, headers=headers or {})
            answer = self._connection.getresponse()
            text = answer.read()
        except BaseException:
            self._connection.close()
            raise
        found = {name.lower(): value for name, value in answer.getheaders()}
        if found.get("content-encoding") == "gzip" and method != "HEAD":
            text = gzip.decompress(text)
        return Got(answer.status, found, text)

    def close(self) -> None:
        self._connection.close()


Start = Callable[..., "Running"]


@dataclass
class Running:
    sandbox: Sandbox
    ask: Client

    @property
    def stats(self) -> dict[str, Any]:
        return self.sandbox.stats()


@contextmanager
def running(**options: Any) -> Iterator[Running]:
    with run_in_thread(Options(**options)) as sandbox:
        client = Client(sandbox.url)
        try:
            yield Running(sandbox, client)
        finally:
            client.close()


@pytest.fixture
def start() -> Iterator[Start]:
    """Start sandboxes that end with the test."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(running(**options))
