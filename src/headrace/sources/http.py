"""The network: one request out, one whole answer back."""

from __future__ import annotations

import json
import os
import re
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from headrace._version import __version__
from headrace.core.clock import Clock
from headrace.core.errors import InputError, RequestFailed
from headrace.core.http import Pairs, Request, Response, origin
from headrace.core.trust import EVERYTHING, Trust
from headrace.sources.guard import AddressRefused, Guard, refusal
from headrace.sources.inflate import MAX_BODY, accepted_encodings, cut_short, inflate, too_large
from headrace.sources.origins import check_host
from headrace.sources.retry import NotSent
from headrace.sources.throttle import leaves

if TYPE_CHECKING:
    import aiohttp

_CONNECT_SECONDS = 30.0
_LONGEST_HEADER = 65536  # Link headers of real APIs pass the usual 8 KB
_MOST_HEADERS = 128  # aiohttp's own bound
_NO_SETTING = "no setting raises this: is it the right url? Otherwise ask the API's makers"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_BREAKS = re.compile(r"[\r\n\0]")
_PLAIN_URL = re.compile(r"[!-~]+")


class AiohttpTransport:
    """A :class:`~headrace.core.contracts.Transport` on aiohttp.

    ``rewrite`` sends a host's requests elsewhere: from ``host``, ``host:port`` or
    ``scheme://host[:port]`` to a base URL. The answer's ``url`` and the ``Host`` header stay the original's, so
    that a stand-in's links are the original's too. ``max_body`` bounds a body in bytes, packed and
    unpacked. Follows no redirect, keeps no cookie, reads no proxy from the environment. A GET whose connection
    closes without a byte of answer is sent once more at once (aiohttp's way with stale connections).
    ``trust`` says which hosts may be reached; a target of ``rewrite`` may, since whoever runs this has named it.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        rewrite: Mapping[str, str] | None = None,
        connections: int = 100,
        max_body: int = MAX_BODY,
        trust: Trust = EVERYTHING,
    ) -> None:
        self._clock = clock
        self._connections = connections
        self._max_body = max_body
        self._session: aiohttp.ClientSession | None = None
        self._guard = None if trust.allowed_hosts is None and trust.public_hosts else Guard(trust)
        self._guarded: aiohttp.ClientSession | None = None
        self._rewrite: dict[str, str] = {}
        for source, target in (rewrite or {}).items():
            parts = urlsplit(target)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise InputError(
                    f"--rewrite {source}={target}: the target is not a URL", hint="write HOST=http://localhost:8000"
                )
            self._rewrite[origin(source) if "://" in source else source.lower()] = target.rstrip("/")
        self._defaults = {
            "accept": "*/*",  # as curl asks: what one sees there is what comes here
            "accept-encoding": accepted_encodings(),
            "user-agent": f"headrace/{__version__}",
        }

    async def send(self, request: Request) -> Response:
        """Raises RequestFailed (``status=None``) when no whole answer came; NotSent, its child, when no
        connection came about; DecodeError for a body that cannot be unpacked or is too large; InputError
        for a URL or header that must not be sent, NotAllowed for a host that may not be reached."""
        import aiohttp
        from yarl import URL

        url = request.full_url
        target = self._target(url)
        if target != url:
            check_host(target, request.only_to, instead_of=url)
        headers, body = self._wire(request)
        if target != url and not any(name.lower() == "host" for name, _ in request.headers):
            headers.append(("Host", urlsplit(url).netloc))
        if self._guard is None or target != url or self._guard.names(url):
            session = self._session = self._session or self._open(None)
        else:
            session = self._guarded = self._guarded or self._open(self._guard)
        timeout = aiohttp.ClientTimeout(total=request.timeout, sock_connect=min(_CONNECT_SECONDS, request.timeout))
        started = self._clock.monotonic()
        try:
            async with session.request(
                request.method,
                URL(wire_url(target), encoded=True),
                headers=headers,
                data=body,
                allow_redirects=False,
                timeout=timeout,
                skip_auto_headers=("Content-Type",),
            ) as answer:
                packed = await self._read(answer)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            if isinstance(refused := getattr(error, "os_error", None), AddressRefused):
                raise refusal(refused, url) from None
            raise _explained(error, request, shown_host(url)) from None
        answer_headers = tuple((_text(name).lower(), _text(value)) for name, value in answer.raw_headers)
        encoding = ",".join(value for name, value in answer_headers if name == "content-encoding")
        delimited = request.method == "HEAD" or any(
            n in ("content-length", "transfer-encoding") for n, _ in answer_headers
        )
        if encoding and (packed or not (delimited or answer.status in (204, 304))):
            plain = inflate(packed, encoding, max_bytes=self._max_body) if packed else _nothing()
        else:
            plain = packed
            if not delimited:
                _check_json_end(plain, answer_headers)
        return Response(
            status=answer.status,
            headers=answer_headers,
            body=plain,
            url=url,
            fetched_at=self._clock.now(),
            elapsed=self._clock.monotonic() - started,
        )

    async def close(self) -> None:
        sessions, self._session, self._guarded = (self._session, self._guarded), None, None
        for session in sessions:
            if session is not None:
                await session.close()

    def _open(self, guard: Guard | None) -> aiohttp.ClientSession:
        import aiohttp

        tracing = aiohttp.TraceConfig()
        tracing.on_request_headers_sent.append(_on_the_wire)
        connections = self._connections
        return aiohttp.ClientSession(
            connector=guard.connector(connections) if guard else aiohttp.TCPConnector(limit=connections),
            trace_configs=[tracing],
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            max_line_size=_LONGEST_HEADER,
            max_field_size=_LONGEST_HEADER,
        )

    def _target(self, url: str) -> str:
        try:
            parts = urlsplit(url)
            host, port, here = (parts.hostname or "").lower(), parts.port, origin(url)
        except ValueError:
            raise InputError("the URL of the request cannot be read", hint="write https://host/path") from None
        if parts.scheme not in ("http", "https") or not host:
            raise InputError(f"{url.partition('?')[0]!r} is not an http or https URL", hint="write https://host/path")
        if "@" in parts.netloc:
            raise InputError(
                f"the URL of {host} carries a user name", hint="write the credential under auth: {type: basic}"
            )
        if not self._rewrite:
            return url
        for name in (here, f"{host}:{port}" if port else host, host):
            base = self._rewrite.get(name)
            if base is not None:
                path = parts.path or "/"
                return f"{base}{path}?{parts.query}" if parts.query else f"{base}{path}"
        return url

    def _wire(self, request: Request) -> tuple[list[tuple[str, str]], bytes | None]:
        body, content_type = _body(request)
        given = {name.lower() for name, _ in request.headers}
        headers = [(name, value) for name, value in self._defaults.items() if name not in given]
        for name, value in request.headers:
            if not _TOKEN.fullmatch(name):
                raise InputError(f"headers: {name!r} is not a header name")
            if _BREAKS.search(value):
                raise InputError(
                    f"headers: the value of {name} holds a line break or NUL",
                    hint="strip it where the value comes from",
                )
            headers.append((name, value))
        if content_type and "content-type" not in given:
            headers.append(("Content-Type", content_type))
        return headers, body

    async def _read(self, answer: aiohttp.ClientResponse) -> bytes:
        pieces: list[bytes] = []
        left = self._max_body
        if (answer.content_length or 0) > left:
            raise too_large(left)
        while piece := await answer.content.readany():
            left -= len(piece)
            if left < 0:
                raise too_large(self._max_body)
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def _on_the_wire(*_: Any) -> None:
    leaves()


def wire_url(url: str) -> str:
    """``url`` in printable ASCII, its percent-encoding untouched; what no URL may hold is encoded."""
    url = url.partition("#")[0]
    if _PLAIN_URL.fullmatch(url):
        return url
    parts = urlsplit(url)
    netloc = parts.netloc
    if not netloc.isascii():
        try:
            netloc = netloc.encode("idna").decode()
        except UnicodeError:
            raise InputError(f"{netloc!r} is not a host name") from None
    keep = "!#$%&'()*+,/:;=?@[]~-._"
    path, query = (quote(part, safe=keep, errors="replace") for part in (parts.path, parts.query))
    return urlunsplit((parts.scheme, netloc, path, query, ""))


def shown_host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


def _body(request: Request) -> tuple[bytes | None, str]:
    if request.json is not None:
        try:
            return json.dumps(request.json, separators=(",", ":"), allow_nan=False).encode(), "application/json"
        except (TypeError, ValueError) as error:
            raise InputError(f"body.json cannot be written as JSON: {error}") from None
    if request.form is not None:
        return urlencode(request.form, errors="replace").encode(), "application/x-www-form-urlencoded"
    if request.text is not None:
        return request.text.encode(errors="replace"), "text/plain; charset=utf-8"
    return None, ""


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _nothing() -> bytes:
    raise cut_short("the connection closed before its body began")


def _check_json_end(body: bytes, headers: Pairs) -> None:
    """A body that ends where the connection does has no length to check: JSON has an end of its own."""
    content_type = next((value for name, value in headers if name == "content-type"), "").partition(";")[0].strip()
    if not (content_type == "application/json" or content_type.endswith("+json")):
        return
    import msgspec

    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except RecursionError:
        return  # the decoder says what is wrong with it
    except msgspec.DecodeError as error:
        if "truncated" in str(error):
            raise cut_short("the connection closed in the middle of its JSON") from None


def _explained(error: Exception, request: Request, host: str) -> Exception:
    """The error for people; aiohttp's own texts may hold the URL and with it a secret."""
    import aiohttp

    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return NotSent(
            f"the certificate of {host} is not trusted: {error.certificate_error}",
            hint="check the host name, the machine's clock and its CA certificates",
            heals=False,
        )
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return NotSent(f"the host name {host} could not be resolved", hint="check base_url and the network")
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return NotSent(f"no connection to {host} within {min(_CONNECT_SECONDS, request.timeout):g} s")
    if isinstance(error, aiohttp.ClientConnectorError):
        tls = isinstance(error, aiohttp.ClientConnectorSSLError | ssl.SSLError)
        number = error.os_error.errno or 0
        reason = os.strerror(number) if number > 0 and not tls else str(error.os_error)
        return NotSent(f"no {'TLS ' if tls else ''}connection to {host}: {reason}")
    if isinstance(error, TimeoutError):
        return RequestFailed(
            f"{host} gave no whole answer within {request.timeout:g} s (timeout)", hint="raise timeout: in the step"
        )
    if isinstance(error, aiohttp.InvalidURL):
        return InputError(f"the URL of {host} cannot be read", hint="write https://host/path")
    if isinstance(error, aiohttp.ClientPayloadError):
        return cut_short(f"{host} closed the connection before the end")
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return RequestFailed(f"{host} closed the connection without an answer")
    if isinstance(error, aiohttp.ClientResponseError) and "oo many headers" in error.message:
        return RequestFailed(f"{host} sent too many headers: at most {_MOST_HEADERS} are read", hint=_NO_SETTING)
    if isinstance(error, aiohttp.ClientResponseError) and error.message.startswith("Got more than"):
        return RequestFailed(f"{host} sent a header of more than {_LONGEST_HEADER:,} bytes", hint=_NO_SETTING)
    if isinstance(error, aiohttp.ClientResponseError):
        return RequestFailed(f"{host} sent what is not HTTP: {error.message}")
    if isinstance(error, aiohttp.ClientError | OSError):
        return RequestFailed(
            f"the connection to {host} broke: {getattr(error, 'strerror', None) or type(error).__name__}"
        )
    return InputError(f"the request to {host} cannot be sent: {error}")
