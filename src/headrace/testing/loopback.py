"""An HTTP server on loopback that answers as a function says."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Write = Callable[[bytes], object]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came; ``target`` is path and query, ``headers`` are looked up in any case."""

    method: str
    target: str
    headers: Message
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        """The first value of each parameter."""
        return dict(reversed(parse_qsl(urlsplit(self.target).query)))


@dataclass(frozen=True, slots=True)
class Reply:
    """``write``, where it is given, writes head and body itself, and the connection is closed behind it."""

    body: bytes = b""
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    write: Callable[[Write], object] | None = field(default=None, kw_only=True)

    @classmethod
    def json(cls, document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
        """``document`` as JSON; the content type says so unless ``headers`` do."""
        given = {"Content-Type": "application/json", **(headers or {})}
        return cls(json.dumps(document).encode(), status, tuple(given.items()))


@contextmanager
def listening(answer: Callable[[Asked], Reply]) -> Iterator[str]:
    """Serve until the block ends; yields the URL. ``answer`` is called in a thread for each connection; where it raises,
    the reply is a 500 with the traceback. A client may go away in the middle of a request."""

    class Incoming(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                reply = answer(Asked(self.command, self.path, self.headers, body))
            except Exception:
                reply = Reply(traceback.format_exc().encode(), 500, (("Content-Type", "text/plain"),))
            if reply.write is not None:
                self.close_connection = True
                reply.write(self.wfile.write)
                return
            self.send_response(reply.status)
            for name, value in (*reply.headers, ("Content-Length", str(len(reply.body)))):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

        do_POST = do_GET  # noqa: N815 - http.server looks for this name

        def handle(self) -> None:
            try:
                super().handle()
            except (OSError, ValueError):  # the client was killed, or had enough
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            """Tests read stderr."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Incoming)
    server.daemon_threads = True
    serve = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, name="headrace-loopback")
    serve.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        serve.join()
        server.server_close()
