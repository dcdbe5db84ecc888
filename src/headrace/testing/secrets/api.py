"""A server on loopback that answers as a scenario says, and says every secret it hears in every spelling it knows."""

from __future__ import annotations

import base64
import html
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus, urlsplit

from headrace.testing import loopback
from headrace.testing.secrets.marks import Secrets

if TYPE_CHECKING:
    from headrace.testing.secrets.scenarios import Scenario

PAGES = 3
_SILENCE = 2.0
"""Seconds without an answer; the hunt's timeout is shorter."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came. ``number`` counts those of the same path, from 1."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    number: int

    @property
    def text(self) -> str:
        """All of it, decoded as a server would log it."""
        return f"{self.method} {self.target}\n{self.headers!r}\n{self.body.decode(errors='replace')}"


@dataclass(frozen=True, slots=True)
class Reply:
    """``raw`` bytes are written instead of an answer; ``silent`` keeps the client waiting."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = "application/json"
    raw: bytes | None = None
    silent: bool = False


Answer = Callable[["HostileApi", Asked], Reply]


def spellings(secret: str) -> dict[str, str]:
    """``secret`` as APIs, proxies and frameworks echo it."""
    return {
        "plain": secret,
        "json": json.dumps(secret)[1:-1],
        "json_of_json": json.dumps(json.dumps(secret)),
        "percent": quote(secret, safe=""),
        "percent_some": quote(secret, safe="/!~"),
        "percent_twice": quote(quote(secret, safe=""), safe=""),
        "plus": quote_plus(secret),
        "html": html.escape(secret),
        "html_of_json": html.escape(json.dumps(secret)),
        "html_decimal": html.escape(secret, quote=False).replace('"', "&#34;").replace("'", "&#39;"),
        "base64": base64.b64encode(secret.encode()).decode(),
        "base64url": base64.urlsafe_b64encode(secret.encode()).decode().rstrip("="),
        "base64_shifted": base64.b64encode(f"Bearer {secret}".encode()).decode(),
        "base64_shifted_twice": base64.b64encode(f"key={secret}, or so".encode()).decode(),
    }


class HostileApi:
    """Serves ``/items`` (three pages), ``/token`` and whatever a scenario puts there, on loopback."""

    def __init__(self, secrets: Secrets, scenario: Scenario) -> None:
        self.secrets, self.scenario = secrets, scenario
        self.asked: list[Asked] = []
        self.url = ""
        self._lock = threading.Lock()
        self._over = threading.Event()

    @property
    def elsewhere(self) -> str:
        """The same server as another origin."""
        return f"http://localhost:{urlsplit(self.url).port}"

    def echo(self) -> dict[str, Any]:
        """Every secret there is by now, in every spelling."""
        return {name: spellings(value) for name, value in self.secrets.values.items()}

    def echo_text(self) -> str:
        return " ".join(text for forms in self.echo().values() for text in forms.values())

    def echo_query(self) -> str:
        """Every secret as parameters of a URL."""
        values = self.secrets.values.items()
        return "&".join(f"{name}={quote(v, safe='')}&b{name}={spellings(v)['base64url']}" for name, v in values)

    def echo_headers(self) -> tuple[tuple[str, str], ...]:
        return tuple(
            (f"X-RateLimit-{name}-{form.replace('_', '-')}", text)
            for name, forms in self.echo().items()
            for form, text in forms.items()
        )

    def page(self, asked: Asked, **members: Any) -> Reply:
        """A page that echoes; the last one says so."""
        last = asked.number >= PAGES
        echoed = json.dumps(self.echo(), ensure_ascii=False)
        items = [
            {"id": 10 * asked.number + i, "name": f"item {i}", "echo": self.echo(), "number": i, "text": echoed}
            for i in range(2)
        ]
        cursor = None if last else f"{asked.number} {self.echo_text()}"
        next_link = None if last else f"/items?page={asked.number + 1}&{self.echo_query()}"
        heard = {name.lower(): value for name, value in asked.headers.items()}
        document = {"items": items, "cursor": cursor, "next": next_link, "heard": heard, **members}
        return Reply(body=json.dumps(document).encode(), headers=self.echo_headers())

    def token(self, asked: Asked) -> Reply:
        """A new access token each time, and a rotated refresh token."""
        document = {
            "access_token": self.secrets.new(f"access{asked.number}"),
            "refresh_token": self.secrets.new(f"refresh{asked.number}"),
            "expires_in": 3600,
            "token_type": "bearer",
        }
        return Reply(body=json.dumps(document).encode(), headers=self.echo_headers())

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        path = urlsplit(target).path
        with self._lock:
            number = 1 + sum(urlsplit(a.target).path == path for a in self.asked)
            asked = Asked(method, target, headers, body, number)
            self.asked.append(asked)
            if path == "/token":
                return self.scenario.token(self, asked)
            return self.scenario.answer(self, asked)

    def wait(self) -> None:
        self._over.wait(_SILENCE)

    @contextmanager
    def serving(self) -> Iterator[HostileApi]:
        with loopback.listening(self._reply) as self.url:
            try:
                yield self
            finally:
                self._over.set()

    def _reply(self, asked: loopback.Asked) -> loopback.Reply:
        reply = self.answer(asked.method, asked.target, dict(asked.headers), asked.body)
        if reply.silent:
            return loopback.Reply(write=lambda write: self.wait())
        if (raw := reply.raw) is not None:
            return loopback.Reply(write=lambda write: write(raw))
        return loopback.Reply(reply.body, reply.status, (*reply.headers, ("Content-Type", reply.content_type)))
