"""What every request passes first: is it meant for this service, does another site's page send it, is it too much; and
the headers that every answer bears."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headrace.core.hosts import is_loopback
from headrace.service import problems
from headrace.service.config import ServiceConfig
from headrace.service.limits import Buckets, too_many, whole_body
from headrace.service.problems import Refusal

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
ANSWER_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with no-referrer a browser would hide the origin of our own forms
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
ADDRESSES = "*"
"""Among names: any address."""
_SAFE = ("GET", "HEAD", "OPTIONS")
_STATIC = ("/ui/static/", "/docs/static/")


class Front:
    """Stands before the application, and before whatever answers its errors."""

    def __init__(self, app: ASGIApp, config: ServiceConfig) -> None:
        self._app, self._config = app, config
        self._senders = Buckets(config.requests_per_second, 2 * config.requests_per_second)
        self._names = own_names(config)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in ANSWER_HEADERS.items():
                    if not (name == "Cache-Control" and scope["path"].startswith(_STATIC)):
                        headers.setdefault(name, value)
            await send(message)

        try:
            receive = await self._admit(scope, receive)
        except Refusal as refused:
            answer = problems.answer(problems.of(refused), refused.headers)
            await answer(scope, receive, send_guarded)
            return
        await self._app(scope, receive, send_guarded)

    async def _admit(self, scope: Scope, receive: Receive) -> Receive:
        headers = Headers(scope=scope)
        check_host(headers.get("host", ""), self._names)
        if scope["method"] not in _SAFE:
            check_site(headers)
        if wait := self._senders.take(address_of(scope)):
            raise too_many(wait)
        length = headers.get("content-length")
        if length is None and "transfer-encoding" not in headers:
            return receive
        declared = int(length) if length is not None and length.isdigit() else None
        kind = headers.get("content-type", "json").lower()
        return await whole_body(receive, declared, self._config.max_body, text="json" in kind)


def own_names(config: ServiceConfig) -> Sequence[str] | None:
    """The names that a request may call this service by; ``None``: any, since every caller needs a key."""
    if config.server_names:
        return tuple(name.lower() for name in config.server_names)
    if is_loopback(config.host):
        return ("localhost", "127.0.0.1", "::1", config.host.lower())
    # A name could be anybody's who lets it lead here, and nothing but the name would tell; an address is no name.
    return ("localhost", socket.gethostname().lower(), ADDRESSES) if config.require_keys is False else None


def check_host(host: str, names: Sequence[str] | None) -> None:
    """Raises Refusal (421) for a request that names another host: a page of that host would read the answer (DNS
    rebinding)."""
    if names is None:
        return
    try:
        name = (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        name = ""
    if name not in names and not (ADDRESSES in names and _is_address(name)):
        raise Refusal(
            421,
            "this service does not go by the name that the request calls it",
            hint="name it in server_names of the service's configuration",
        )


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def check_site(headers: Headers) -> None:
    """Raises Refusal (403) when a browser says that another site's page sends this. Other clients say nothing."""
    site = headers.get("sec-fetch-site")
    origin = headers.get("origin")
    if site not in (None, "same-origin", "none"):
        raise _other_site()
    if site is None and origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower():
        raise _other_site()


def address_of(scope: Scope) -> str:
    """Who sends, as far as the connection tells."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def _other_site() -> Refusal:
    return Refusal(403, "the request comes from another site's page", hint="send it from the service's own pages")
