"""An API that does everything wrong, and says every secret it hears in every spelling it knows."""

from __future__ import annotations

import base64
import html
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import quote, quote_plus, urlsplit

from headrace.testing.secrets.marks import Secrets

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
        api = self

        class Handler(_Handler):
            hostile = api

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        self.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._over.set()
            server.shutdown()
            thread.join()
            server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hostile: ClassVar[HostileApi]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        reply = self.hostile.answer(self.command, self.path, dict(self.headers), body)
        if reply.silent:
            self.hostile.wait()
            self.close_connection = True
            return
        if reply.raw is not None:
            self.wfile.write(reply.raw)
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in reply.headers:
            self.send_header(name, value)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    do_POST = do_GET  # noqa: N815 - http.server looks for this name

    def log_message(self, format: str, *args: Any) -> None:
        """What this server prints would be taken for a leak."""


@dataclass(frozen=True)
class Scenario:
    """What the API does, and the keys of the step's ``config`` that go with it.

    ``ends`` is the status of a crawl that meets it (``failed``: an error is raised); ``at`` is the URL that
    the step asks instead of the server's.
    """

    name: str
    answer: Answer
    ends: str = "failed"
    config: Mapping[str, Any] = field(default_factory=dict)
    token: Answer = HostileApi.token
    at: str | None = None
    needs_token: bool = False

    def __str__(self) -> str:
        return self.name


def _pages(api: HostileApi, asked: Asked) -> Reply:
    return api.page(asked)


def _status(status: int) -> Answer:
    def answer(api: HostileApi, asked: Asked) -> Reply:
        body = json.dumps({"message": f"no: {api.echo_text()}", "echo": api.echo()}).encode()
        return Reply(status, body, api.echo_headers())

    return answer


def _second(then: Answer) -> Answer:
    """The first page is well, so that something is committed; then it breaks."""
    return lambda api, asked: api.page(asked) if asked.number == 1 else then(api, asked)


def _html(status: int) -> Answer:
    def answer(api: HostileApi, asked: Asked) -> Reply:
        text = f"<html><title>{html.escape(api.echo_text())}</title><!-- {api.echo_text()} --></html>"
        return Reply(status, text.encode(), api.echo_headers(), "text/html")

    return answer


def _cut(api: HostileApi, asked: Asked) -> Reply:
    whole = api.page(asked).body
    return Reply(body=whole[: len(whole) // 2])


def _error_in_200(api: HostileApi, asked: Asked) -> Reply:
    return Reply(body=json.dumps({"ok": False, "error": {"message": api.echo_text(), "echo": api.echo()}}).encode())


def _strange_keys(api: HostileApi, asked: Asked) -> Reply:
    return Reply(body=json.dumps({api.echo_text()[:150]: 1, **dict.fromkeys(api.secrets.values.values(), 1)}).encode())


def _redirect(api: HostileApi, asked: Asked) -> Reply:
    return Reply(302, b"", (("Location", f"{api.elsewhere}/else?{api.echo_query()}"),))


def _redirect_here(api: HostileApi, asked: Asked) -> Reply:
    if asked.target.startswith("/items"):
        return Reply(307, b"", (("Location", f"/here/{quote(api.echo_text(), safe='')[:300]}?{api.echo_query()}"),))
    return _status(400)(api, asked)


def _circle(api: HostileApi, asked: Asked) -> Reply:
    return Reply(302, b"", (("Location", f"/items?{api.echo_query()}"),))


def _to_a_user(api: HostileApi, asked: Asked) -> Reply:
    user = quote(next(iter(api.secrets.values.values())), safe="")
    return Reply(302, b"", (("Location", f"http://{user}:{user}@127.0.0.1/"),))


def _garbage(api: HostileApi, asked: Asked) -> Reply:
    return Reply(raw=f"HTTP/1.1 9{api.echo_text()}\r\n\r\n".encode())


def _bad_header(api: HostileApi, asked: Asked) -> Reply:
    return Reply(raw=f"HTTP/1.1 200 OK\r\nbad header {api.echo_text()}\r\n\r\n".encode())


def _hang_up(api: HostileApi, asked: Asked) -> Reply:
    return Reply(raw=b"")


def _silence(api: HostileApi, asked: Asked) -> Reply:
    return Reply(silent=True)


def _slow_down(api: HostileApi, asked: Asked) -> Reply:
    return Reply(429, json.dumps(api.echo()).encode(), (("Retry-After", "86400"), *api.echo_headers()))


def _loop(api: HostileApi, asked: Asked) -> Reply:
    items = [{"id": 1, "echo": api.echo()}]
    return Reply(body=json.dumps({"items": items, "cursor": api.echo_text(), "next": "/items"}).encode())


def _link_elsewhere(api: HostileApi, asked: Asked) -> Reply:
    return api.page(asked, next=f"{api.elsewhere}/items?{api.echo_query()}")


def _link_header(api: HostileApi, asked: Asked) -> Reply:
    page = api.page(asked)
    if asked.number >= PAGES:
        return page
    link = f'<{api.url}/items?page={asked.number + 1}&{api.echo_query()}>; rel="next"'
    return Reply(200, page.body, (*page.headers, ("Link", link)))


def _wrong_type(api: HostileApi, asked: Asked) -> Reply:
    items = [{"id": i, "number": api.echo_text(), "echo": api.echo()} for i in range(3)]
    return Reply(body=json.dumps({"items": items}).encode())


def _refuse_token(api: HostileApi, asked: Asked) -> Reply:
    text = api.echo_text() + asked.text
    return Reply(400, json.dumps({"error": "invalid_client", "error_description": text}).encode(), api.echo_headers())


def _strange_refusal(api: HostileApi, asked: Asked) -> Reply:
    return Reply(400, json.dumps({"error": api.echo(), "error_description": api.echo()}).encode())


def _token_elsewhere(api: HostileApi, asked: Asked) -> Reply:
    return Reply(302, b"", (("Location", f"{api.elsewhere}/token?{api.echo_query()}"),))


def _typed(body: Callable[[str], str], content_type: str, *headers: tuple[str, str]) -> Answer:
    """An answer of another format, with every secret in it."""
    return lambda api, asked: Reply(200, body(api.echo_text()).encode(), (*headers, *api.echo_headers()), content_type)


def _repeated_header(text: str) -> str:
    name = '"' + text.replace('"', '""') + '"'
    return f"{name},{name}\n1,2\n"


def _fault(text: str) -> str:
    said = html.escape(text)
    return (
        "<s:Envelope xmlns:s='urn:s'><s:Body><s:Fault>"
        f"<faultcode>{said}</faultcode><faultstring>{said}</faultstring></s:Fault></s:Body></s:Envelope>"
    )


def _strange_bytes(api: HostileApi, asked: Asked) -> Reply:
    return Reply(body=b'{"items": [{"id": 1, "name": "\xff' + json.dumps(api.echo_text()).encode()[1:] + b"}], oops")


def _long_cursor(api: HostileApi, asked: Asked) -> Reply:
    items = [{"id": 1, "echo": api.echo()}]
    return Reply(body=json.dumps({"items": items, "cursor": api.echo_text() * 200}).encode())


_LINK = {"pagination": {"type": "link", "response_path": "next"}}
_WIDE = {
    "tables": [{"table": "items", "key": ["id"], "columns": {"id": "id", "number": {"path": "number", "type": "int"}}}]
}

SCENARIOS: tuple[Scenario, ...] = (
    Scenario("echo", _pages, "done"),
    Scenario("echo in next links", _pages, "done", _LINK),
    Scenario("echo in the Link header", _link_header, "done", {"pagination": {"type": "link"}}),
    Scenario("401", _second(_status(401))),
    Scenario("403", _status(403)),
    Scenario("404", _second(_status(404))),
    Scenario("400", _status(400)),
    Scenario("500 for ever", _second(_status(500))),
    Scenario("502 in HTML", _html(502)),
    Scenario("429 for a day", _slow_down),
    Scenario("timeout", _second(_silence), config={"timeout": 0.15}),
    Scenario("redirect to another origin", _second(_redirect)),
    Scenario("redirect to an allowed origin", _redirect, config={"allowed_hosts": ["localhost"]}),
    Scenario("redirect with a secret in its path", _redirect_here),
    Scenario("redirect in circles", _circle),
    Scenario("redirect to user info", _to_a_user),
    Scenario("next link to another origin", _link_elsewhere, config=_LINK),
    Scenario("cut JSON", _second(_cut)),
    Scenario("cut JSON Lines", _typed(lambda text: json.dumps({"a": text})[:-20], "application/x-ndjson")),
    Scenario("CSV that names a column twice", _typed(_repeated_header, "text/csv"), config={"data_path": ""}),
    Scenario("cut CSV", _typed(lambda text: f'a,b\n1,"{text}', "text/csv"), config={"data_path": ""}),
    Scenario("cut XML", _typed(lambda text: f"<items><item>{html.escape(text)}", "text/xml")),
    Scenario("a SOAP fault", _typed(_fault, "text/xml")),
    Scenario("not gzip", _second(_typed(str, "text/plain", ("Content-Encoding", "gzip")))),
    Scenario("bytes that are no text", _second(_strange_bytes)),
    Scenario("a cursor that is too long", _long_cursor),
    Scenario("HTML with status 200", _html(200)),
    Scenario("error in a 200", _second(_error_in_200), config={"error_path": "error"}),
    Scenario("ok is false", _error_in_200, config={"ok_path": "ok"}),
    Scenario("keys that are secrets", _strange_keys),
    Scenario("the same page for ever", _loop),
    Scenario("records that are refused", _wrong_type, "done", _WIDE),
    Scenario("not HTTP", _second(_garbage)),
    Scenario("a header that is none", _bad_header),
    Scenario("hangs up", _second(_hang_up)),
    Scenario("no such host", _pages, at="http://nowhere.invalid"),
    Scenario("connection refused", _pages, at="http://127.0.0.1:1"),
    Scenario("token refused", _pages, token=_refuse_token, needs_token=True),
    Scenario("token refused strangely", _pages, token=_strange_refusal, needs_token=True),
    Scenario("token server fails", _pages, token=_status(500), needs_token=True),
    Scenario("token server in HTML", _pages, token=_html(200), needs_token=True),
    Scenario("token server redirects", _pages, token=_token_elsewhere, needs_token=True),
    Scenario("token server hangs up", _pages, token=_hang_up, needs_token=True),
    Scenario("token refused later", _second(_status(401)), needs_token=True),
)
