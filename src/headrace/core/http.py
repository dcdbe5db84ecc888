"""Requests and answers as plain values; nothing here opens a connection."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Request:
    """One request before authentication; ``url`` may already hold a query string.

    At most one of ``json``, ``form`` and ``text`` is set. ``slot`` names the place of the page in the
    crawl (``step/slice/page``): two pages may need the very same request (a server-side scroll).
    """

    method: str
    url: str
    params: Pairs = ()
    headers: Pairs = ()
    json: Any = None
    form: Pairs | None = None
    text: str | None = None
    timeout: float = 60.0
    safe: bool = True
    """May be sent again after a failure whose effect is unknown."""
    slot: str = ""
    only_to: tuple[str, ...] = ()
    """Hosts that this request may go to, wherever it is sent in their place: it carries a credential that names
    them. None: any."""

    def with_params(self, pairs: Iterable[tuple[str, str]]) -> Request:
        """Set parameters: one of the same name is replaced, wherever it stood (also in ``url``)."""
        added = tuple(pairs)
        names = {name for name, _ in added}
        kept = tuple(pair for pair in self.params if pair[0] not in names)
        return replace(self, url=without_params(self.url, names), params=kept + added)

    def with_headers(self, pairs: Iterable[tuple[str, str]]) -> Request:
        added = tuple(pairs)
        names = {name.lower() for name, _ in added}
        return replace(self, headers=tuple(p for p in self.headers if p[0].lower() not in names) + added)

    @property
    def full_url(self) -> str:
        """The URL as sent, with every parameter percent-encoded."""
        if not self.params:
            return self.url
        query = urlencode(self.params, quote_via=quote, safe="")
        return f"{self.url}{'&' if '?' in self.url else '?'}{query}"


def without_params(url: str, names: Iterable[str]) -> str:
    """``url`` without the query parameters called ``names``; otherwise the same text."""
    from urllib.parse import unquote_plus

    names = set(names)
    parts = urlsplit(url)
    if not parts.query or not names:
        return url
    kept = [p for p in parts.query.split("&") if unquote_plus(p.partition("=")[0]) not in names]
    return urlunsplit(parts._replace(query="&".join(kept)))


def origin(url: str) -> str:
    """``scheme://host:port`` with the scheme's usual port filled in, lower case."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    return f"{parts.scheme}://{(parts.hostname or '').lower()}:{port}"


@dataclass(frozen=True, slots=True)
class Response:
    """An answer whose body is complete and unpacked (``Content-Encoding`` undone).

    ``url`` shows no secret; ``fetched_at`` is wall time in microseconds; ``headers`` keep their order,
    names in lower case. ``from_cache`` says that no request was made for it, ``masked`` how many times a
    secret was struck out of the body.
    """

    status: int
    headers: Pairs
    body: bytes
    url: str
    fetched_at: int
    elapsed: float = 0.0
    from_cache: bool = False
    masked: int = 0
    """How often a secret of this run stood in the body and was replaced."""
    packed: bytes | None = None
    """The body as one zstd frame, where the response cache has made one: the archive need not make it again."""

    def header(self, name: str, default: str = "") -> str:
        wanted = name.lower()
        return next((value for key, value in self.headers if key == wanted), default)

    def header_all(self, name: str) -> list[str]:
        wanted = name.lower()
        return [value for key, value in self.headers if key == wanted]


@dataclass(frozen=True, slots=True)
class Wait:
    """What a caller is told about time spent not fetching."""

    seconds: float
    why: str
    detail: dict[str, Any] = field(default_factory=dict)
