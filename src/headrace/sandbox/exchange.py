"""What a handler of the sandbox sees: the request, the options, the faults of meaning, the page cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from headrace.sandbox.cache import PageCache
from headrace.sandbox.http import BadParameter, Incoming, Reply, dumps, json_reply
from headrace.sandbox.listing import Records, Tricks, Window
from headrace.sandbox.options import Options
from headrace.sandbox.records import record

Handler = Callable[["Exchange"], Reply]


@dataclass(slots=True)
class Exchange:
    """One request on its way to an answer."""

    request: Incoming
    options: Options
    cache: PageCache
    base: str
    """The origin that the client asked: ``http://host:port``, or ``https://host`` of a real API whose requests
    ``--rewrite`` sent here."""
    tricks: Tricks = field(default_factory=dict)
    times: int = 1
    """How often this very request has come, this time included."""
    memory: dict[str, Any] = field(default_factory=dict)
    """What the stand-ins remember between requests; emptied by ``/__reset``."""

    def key(self, *extra_headers: str) -> str:
        """The API key that came with the request, ``""`` without one."""
        headers = self.request.headers
        for name in ("x-rapidapi-key", "x-api-key", *extra_headers):
            if name in headers:
                return headers[name].removeprefix("Bearer ")
        return self.request.query.get("token", self.request.query.get("api_key", ""))

    def bearer(self) -> str:
        """The token of ``Authorization: Bearer``, ``""`` without one."""
        scheme, _, token = self.request.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""

    def accepted(self, key: str) -> bool:
        """Whether ``key`` opens this API: any that is not empty, unless the options name the only one."""
        return bool(key) and self.options.api_key in (None, key)

    def records(self) -> Records:
        """The records of a generic style, as many as the request or the options say."""
        options = self.options
        total = self.request.number("records", options.records)

        def make(index: int) -> dict[str, Any]:
            return record(options.seed, index, options.record_bytes)

        return Records(make, total, self.tricks)

    def size(self, *names: str, default: int = 100, most: int = 10_000) -> int:
        """Page size: the first of ``names`` that the request gives, capped without a word."""
        for name in names:
            if name in self.request.query:
                return min(self.request.number(name, default, least=1), most)
        return min(self.options.page_size or default, most)

    def array(self, records: Records, page: Window, what: str = "array") -> bytes:
        """The page's records as a JSON array, from the cache; ``what`` names the list that they are of."""
        return self.rendered(what, records, page, lambda: dumps(records.rows(page)))

    def rendered(self, form: str, records: Records, page: Window, make: Callable[[], bytes]) -> bytes:
        """The page's records in some form, from the cache or as ``make`` renders them."""
        return self.cache.get((form, records.total, page.start, page.end, page.shift), make)


def refusal(status: int, message: str, **members: Any) -> Reply:
    """An error as JSON APIs give it."""
    return json_reply({"message": message, **members}, status)


def bad_parameter(error: BadParameter) -> Reply:
    return refusal(400, str(error), parameter=error.name)


@dataclass(frozen=True)
class Route:
    """A path (exact, or with one ``*`` segment) and what answers it."""

    path: str
    handler: Handler
    doc: str = ""
    methods: tuple[str, ...] = ("GET", "HEAD")
    refuse: Callable[[int, str], Reply] = refusal
    """How this API words an error: status and message to an answer; faults and limits speak so, too."""
