"""HTTP/1.1 as plain values and bytes: reading a request, rendering an answer's head."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

MAX_BODY = 16 * 1024 * 1024

REASONS = {
    200: "OK", 201: "Created", 204: "No Content", 301: "Moved Permanently", 302: "Found", 303: "See Other",
    304: "Not Modified", 307: "Temporary Redirect", 308: "Permanent Redirect", 400: "Bad Request",
    401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 408: "Request Timeout",
    409: "Conflict", 410: "Gone", 413: "Content Too Large", 422: "Unprocessable Content", 425: "Too Early",
    429: "Too Many Requests", 500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable",
    504: "Gateway Timeout",
}  # fmt: skip


class BadRequest(Exception):
    """The bytes on the wire are not a request that this server reads."""


@dataclass(frozen=True)
class Incoming:
    """One request as it came; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""
    version: str = "HTTP/1.1"

    @cached_property
    def path(self) -> str:
        return unquote(urlsplit(self.target).path)

    @cached_property
    def pairs(self) -> list[tuple[str, str]]:
        return parse_qsl(urlsplit(self.target).query, keep_blank_values=True)

    @cached_property
    def query(self) -> dict[str, str]:
        """Query parameters; of a repeated one the last."""
        return dict(self.pairs)

    @cached_property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))

    @cached_property
    def json(self) -> Any:
        """The body as JSON, or ``None`` when it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def host(self) -> str:
        return self.headers.get("host", "127.0.0.1")

    @property
    def keep_alive(self) -> bool:
        connection = self.headers.get("connection", "").lower()
        return connection != "close" if self.version == "HTTP/1.1" else connection == "keep-alive"

    def number(self, name: str, default: int, *, least: int = 0) -> int:
        """A query parameter as an integer, ``default`` when absent. Raises :class:`BadParameter`."""
        text = self.query.get(name)
        if text is None:
            return default
        if not text.isdecimal() or int(text) < least:
            raise BadParameter(name, f"must be a whole number of at least {least}")
        return int(text)


class BadParameter(Exception):
    """A parameter the API refuses: becomes a 400 with a JSON body."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name} {problem}")
        self.name = name


@dataclass(slots=True)
class Reply:
    """One answer before any fault; ``body`` is not compressed."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: list[tuple[str, str]] = field(default_factory=list)
    volatile: bool = False
    """The body differs in every answer: no compressed copy is kept."""


def dumps(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def json_reply(value: Any, status: int = 200, headers: list[tuple[str, str]] | None = None) -> Reply:
    return Reply(status, dumps(value), headers=headers or [])


def join(**members: Any) -> bytes:
    """A JSON object whose ``bytes`` members are JSON already; ``__`` in a name stands for ``-``."""
    parts = [
        dumps(name.replace("__", "-")) + b":" + (value if isinstance(value, bytes) else dumps(value))
        for name, value in members.items()
    ]
    return b"{" + b",".join(parts) + b"}"


async def read_request(reader: asyncio.StreamReader) -> Incoming | None:
    """The next request of a connection, ``None`` when the client is gone. Raises :class:`BadRequest`."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    except asyncio.LimitOverrunError:
        raise BadRequest("the head is too long") from None
    lines = head[:-4].decode("latin-1").split("\r\n")
    parts = lines[0].split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise BadRequest("no request line")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = b""
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body = await _read_chunks(reader)
    elif "content-length" in headers:
        length = headers["content-length"]
        if not length.isdecimal() or int(length) > MAX_BODY:
            raise BadRequest("Content-Length is no usable number")
        body = await reader.readexactly(int(length))
    return Incoming(parts[0], parts[1], headers, body, parts[2])


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while True:
        line = await reader.readuntil(b"\r\n")
        try:
            size = int(line.split(b";")[0], 16)
        except ValueError:
            raise BadRequest("a chunk without a size") from None
        if size + len(body) > MAX_BODY:
            raise BadRequest("the body is too long")
        if size == 0:
            while await reader.readuntil(b"\r\n") != b"\r\n":
                pass
            return bytes(body)
        body += await reader.readexactly(size)
        await reader.readexactly(2)


def render_head(status: int, headers: list[tuple[str, str]]) -> bytes:
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
