"""What the styles share: their description, cursors, and pages in each of their roles."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote, urlencode

from headrace.sandbox.exchange import Exchange, Handler, Route
from headrace.sandbox.http import BadParameter
from headrace.sandbox.listing import Window

Has = Literal["cursor", "flag", "total", "positional"]
GET: tuple[str, ...] = ("GET", "HEAD")
POST: tuple[str, ...] = ("POST",)


@dataclass(frozen=True)
class Style:
    """One way in which APIs page or answer."""

    name: str
    handler: Handler
    doc: str
    extract: Mapping[str, Any]
    """The request and paging keys of an extract step that walks it (without ``url`` and ``destination``)."""
    has: frozenset[Has] = frozenset()
    """What its pages tell, and so which faults of meaning show: a next cursor or link, a more flag, a
    total; ``positional``: asked by place."""
    methods: tuple[str, ...] = GET
    tail: str = ""
    """Rest of the path of the first request."""

    @property
    def path(self) -> str:
        return f"/styles/{self.name}{self.tail}"

    @property
    def route(self) -> Route:
        return Route(self.path, self.handler, self.doc, self.methods)


def encode(place: int) -> str:
    """A cursor as text that breaks whoever does not percent-encode it."""
    return f"{place}:é&next=?a+b/%20#{zlib.crc32(str(place).encode()):08x}"


def decode(cursor: str, name: str = "cursor") -> int:
    """The place of a cursor of :func:`encode`. Raises BadParameter for any other text."""
    digits = cursor.partition(":")[0]
    if digits.isdecimal() and encode(int(digits)) == cursor:
        return int(digits)
    raise BadParameter(name, "is not one that this endpoint gave")


def asked_place(exchange: Exchange) -> int:
    """The place that the query's ``cursor`` names, 0 without one. Raises BadParameter."""
    given = exchange.request.query.get("cursor")
    return decode(given) if given else 0


def encode_ascii(place: int) -> str:
    """The same for places where only ASCII travels (headers)."""
    return base64.b64encode(encode(place).encode()).decode()


def decode_ascii(cursor: str, name: str = "cursor") -> int:
    try:
        text = base64.b64decode(cursor, validate=True).decode()
    except ValueError:
        raise BadParameter(name, "is not one that this endpoint gave") from None
    return decode(text, name)


def after(page: Window) -> str | None:
    """The cursor of the page that follows."""
    return None if page.next is None else encode(page.next)


def link(exchange: Exchange, changed: Mapping[str, object], path: str | None = None) -> str:
    """This request's path (or ``path``) and query with some parameters changed."""
    request = exchange.request
    pairs = [(name, value) for name, value in request.pairs if name not in changed]
    pairs += [(name, str(value)) for name, value in changed.items()]
    return f"{path or request.path}?{urlencode(pairs, quote_via=quote, safe='')}"


def whole(value: Any, name: str, default: int, *, least: int = 0) -> int:
    """A number out of a JSON or form body."""
    if value is None:
        return default
    text = str(value)
    if not text.isdecimal() or int(text) < least:
        raise BadParameter(name, f"must be a whole number of at least {least}")
    return int(text)


@dataclass(frozen=True)
class Family:
    """The styles of one module, filled by its decorator."""

    styles: list[Style] = field(default_factory=list)

    def style(
        self,
        name: str,
        doc: str,
        *what: Has,
        extract: Mapping[str, Any],
        methods: tuple[str, ...] = GET,
        tail: str = "",
    ) -> Callable[[Handler], Handler]:
        def take(handler: Handler) -> Handler:
            self.styles.append(Style(name, handler, doc, extract, frozenset(what), methods, tail))
            return handler

        return take

    @property
    def routes(self) -> list[Route]:
        return [style.route for style in self.styles]
