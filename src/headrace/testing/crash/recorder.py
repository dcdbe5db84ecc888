"""A stand-in that remembers: it forwards a request the first time, and answers it from memory ever after.

A pipeline that is run again and again asks its API only once for each page, and gets the same bytes each time;
and every request is counted.
"""

from __future__ import annotations

import hashlib
import http.client
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "content-length"})
_OF_THE_CLIENT = frozenset({
    "host", "user-agent", "accept", "accept-encoding", "accept-language", "authorization", "content-type", "date",
    "traceparent", "tracestate", *_HOP,
})  # fmt: skip
"""Headers that do not tell one request from another."""


@dataclass(frozen=True)
class _Kept:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass
class Memory:
    """What was asked, and what was answered."""

    kept: dict[str, _Kept] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    forwarded: int = 0
    """Requests that the API itself answered."""
    in_flight: int = 0
    in_flight_max: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def asked(self, names: Iterable[str] | None = None) -> Mapping[str, int]:
        """How often each request was made; with ``names`` other query parameters are left out, as the archive
        leaves out those that carry a secret."""
        with self.lock:
            counts = dict(self.counts)
        if names is None:
            return counts
        wanted, found = set(names), Counter[str]()
        for name, times in counts.items():
            found[_only(name, wanted)] += times
        return found


def _only(name: str, wanted: set[str]) -> str:
    target, _, rest = name.partition(" #")
    path, question, query = target.partition("?")
    pairs = [part for part in query.split("&") if part.partition("=")[0] in wanted]
    return path + (question + "&".join(pairs) if pairs else "") + (f" #{rest}" if rest else "")


@contextmanager
def recording(upstream: str, memory: Memory) -> Iterator[str]:
    """Stand in for ``upstream`` (scheme, host and perhaps a path) until the block ends; yields the URL."""
    base = urlsplit(upstream)
    connect: Any = http.client.HTTPSConnection if base.scheme == "https" else http.client.HTTPConnection

    def forward(method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> _Kept:
        connection = connect(base.hostname, base.port, timeout=120)
        try:
            sent = {name: value for name, value in headers.items() if name.lower() not in {*_HOP, "host"}}
            connection.request(method, base.path.rstrip("/") + target, body, sent)
            answer = connection.getresponse()
            data = answer.read()
            kept = tuple((name, value) for name, value in answer.getheaders() if name.lower() not in _HOP)
            return _Kept(answer.status, kept, data)
        finally:
            connection.close()

    class Incoming(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length) if length else None
            name = _name(self.command, self.path, dict(self.headers.items()), body)
            with memory.lock:
                memory.counts[name] += 1
                memory.in_flight += 1
                memory.in_flight_max = max(memory.in_flight_max, memory.in_flight)
            try:
                self._send(self._find(name, body))
            finally:
                with memory.lock:
                    memory.in_flight -= 1

        def _find(self, name: str, body: bytes | None) -> _Kept:
            kept = memory.kept.get(name)
            if kept is None:
                try:
                    kept = forward(self.command, self.path, dict(self.headers.items()), body)
                except (OSError, http.client.HTTPException) as error:
                    return _Kept(502, (("Content-Type", "text/plain"),), f"{upstream}: {error}".encode())
                memory.forwarded += 1
                if kept.status // 100 in (2, 3, 4) and kept.status != 429:
                    memory.kept[name] = kept
            return kept

        def _send(self, kept: _Kept) -> None:
            try:
                self.send_response_only(kept.status)
                for name, value in kept.headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(kept.body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(kept.body)
            except OSError:
                self.close_connection = True  # whoever asked was killed

        do_GET = do_POST = do_PUT = do_PATCH = do_HEAD = _answer  # noqa: N815 - the names of http.server

        def log_message(self, *_: Any) -> None: ...

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """A client that was killed in the middle of a request is what this is for."""

    server = Server(("127.0.0.1", 0), Incoming)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="headrace-recorder")
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _name(method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> str:
    """Method and target, then a hash of the body and of headers that may be a cursor."""
    own = sorted((n.lower(), value) for n, value in headers.items() if n.lower() not in _OF_THE_CLIENT)
    more = hashlib.sha256(repr((own if method != "GET" else [], body)).encode()).hexdigest()[:16]
    return f"{method} {target}" if method == "GET" and not body else f"{method} {target} #{more}"


def parameters(targets: Iterable[str]) -> set[str]:
    """The names of the query parameters that occur."""
    return {urlencode({name: ""})[:-1] for target in targets for name, _ in parse_qsl(urlsplit(target).query, True)}
