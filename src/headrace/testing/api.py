"""A small API on loopback: what a function answers, and what it was asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, TypeAlias
from urllib.parse import parse_qs, urlsplit

Answer: TypeAlias = tuple[bytes, int, Mapping[str, str]] | None
"""Body, status, headers; ``None`` is a 404. The content type is JSON unless the headers say."""
Handler: TypeAlias = Callable[[str, dict[str, str]], Answer]
"""From a path and the first value of each query parameter."""


class Api:
    """A running API. ``asked`` are the targets of its requests in order, ``headers`` what came with each."""

    def __init__(self, answer: Handler) -> None:
        self.asked: list[str] = []
        self.headers: list[Mapping[str, str]] = []
        api = self

        class Incoming(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                api.asked.append(self.path)
                api.headers.append(dict(self.headers))
                parts = urlsplit(self.path)
                found = answer(parts.path, {name: values[0] for name, values in parse_qs(parts.query).items()})
                body, status, more = found or (b'{"message": "not found"}', 404, {})
                self.send_response(status)
                headers = {"Content-Type": "application/json", **more, "Content-Length": str(len(body))}
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Incoming)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@contextmanager
def serving(answer: Handler) -> Iterator[Api]:
    """Serve until the block ends."""
    api = Api(answer)
    thread = Thread(target=api.server.serve_forever, kwargs={"poll_interval": 0.02}, name="headrace-api")
    thread.start()
    try:
        yield api
    finally:
        api.server.shutdown()
        thread.join()
        api.server.server_close()
