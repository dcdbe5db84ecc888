"""A few requests to the API itself, through the client and the very objects that a run uses."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headrace.core.clock import SystemClock
from headrace.core.contracts import Answer, Cursor, Decoder, Paginator
from headrace.core.errors import HeadraceError, UsageError
from headrace.core.http import Request, Response
from headrace.core.paths import parse
from headrace.core.templates import UnknownVariable
from headrace.crawl.plan import CrawlPlan
from headrace.discover.asked import Asked
from headrace.secrets.mask import Masker
from headrace.sources.client import ApiClient
from headrace.sources.decode import by_content_type, split
from headrace.sources.http import AiohttpTransport
from headrace.sources.ratelimit import RateLimit
from headrace.steps.generic._plan import make_plan
from headrace.steps.generic.api_extractor import ApiExtractor

MOST = 10
"""Requests that one draft may cost."""
_NOWHERE = parse("")


class Spent(Exception):
    """No further request may be made."""


@dataclass(frozen=True)
class Seen:
    """One answer: as it came, and as a plain document."""

    response: Response
    document: Any
    decoder: Decoder

    @property
    def kind(self) -> str:
        return str(getattr(self.decoder, "type", "json"))


@dataclass(frozen=True)
class Page:
    """The records of one answer at the path that was found."""

    seen: Seen
    answer: Answer
    texts: tuple[bytes, ...]

    @property
    def records(self) -> list[Any]:
        return [json.loads(text) for text in self.texts]

    def marks(self) -> set[bytes]:
        return {hashlib.sha256(text).digest() for text in self.texts}

    def shares(self, other: Page) -> float:
        """Which part of the smaller page is in the other one too."""
        ours, theirs = self.marks(), other.marks()
        return len(ours & theirs) / max(1, min(len(ours), len(theirs)))


def read(response: Response) -> Seen:
    """``response`` by its content type. Raises DecodeError."""
    decoder = by_content_type(response)
    text = decoder.open(response, _NOWHERE, ()).records if response.status // 100 == 2 else b"[]"
    document = json.loads(text)
    if getattr(decoder, "type", "") in ("json", "xml") and not response.body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(
        b"["
    ):
        document = document[0] if document else {}
    return Seen(response, document, decoder)


class Probe:
    """Asks for what ``asked`` describes; counts its requests. Raises :class:`Spent` past :data:`MOST`."""

    def __init__(self, asked: Asked, rewrite: Mapping[str, str] | None = None) -> None:
        self.asked = asked
        self.requests = 0
        self.masker = Masker()
        for value in asked.environ.values():
            self.masker.add(value)
        if asked.secret is not None:
            self.masker.add_secret(asked.secret)
        clock = SystemClock()
        self._transport = AiohttpTransport(clock, rewrite=rewrite)
        plan = self.plan({})
        self.base = plan.request(self._lookup)
        self._client = ApiClient(
            transport=self._transport, auth=plan.auth, secret=asked.secret,
            rate_limit=RateLimit(requests_per_second=10, max_retries=1, max_wait=30), clock=clock, emit=_unheard,
            run_id="", step="", masker=self.masker, home=self.base.url,
        )  # fmt: skip

    def _lookup(self, name: str) -> Any:
        value = self.asked.environ.get(name.removeprefix("env."))
        if value is None:
            raise UnknownVariable(name, [])
        return value

    def plan(self, more: Mapping[str, Any]) -> CrawlPlan:
        """The plan of a step that asks so. Raises UsageError for what no step may say."""
        from pydantic import ValidationError

        document = {**self.asked.config, "base_url": self.asked.base_url, "tables": [{"table": "records"}], **more}
        try:
            return make_plan(ApiExtractor.model_validate(document), "records", "", self._lookup)
        except ValidationError as error:
            raise UsageError(f"this request cannot be put into a pipeline: {error.errors()[0]['msg']}") from None

    async def fetch(self, request: Request, *, accept: frozenset[int] = frozenset()) -> Response:
        if self.requests >= MOST:
            raise Spent
        self.requests += 1
        return await self._client.fetch(request, accept=accept)

    async def ask(self, request: Request, *, accept: frozenset[int] = frozenset()) -> Seen:
        return read(await self.fetch(request, accept=accept))

    def page(self, seen: Seen, data_path: str, paginator: Paginator, number: int = 1, before: int = 0) -> Page:
        """``seen`` as ``paginator`` gets it. Raises AnswerError where the path leads nowhere."""
        decoder = (
            self.plan({"decode": {"type": "xml", "lists": [data_path]}}).decoder if seen.kind == "xml" else seen.decoder
        )
        assert decoder is not None
        envelope = decoder.open(seen.response, parse(data_path), paginator.wants())
        texts = tuple(split(envelope.records))
        return Page(seen, Answer(seen.response, envelope, len(texts), number, before + len(texts)), texts)

    async def at(self, paginator: Paginator, cursor: Cursor, data_path: str, number: int, before: int) -> Page | None:
        """The page at a position, or ``None`` where the API refuses or answers something else."""
        try:
            seen = await self.ask(paginator.apply(self.base, cursor))
            return self.page(seen, data_path, paginator, number, before)
        except HeadraceError:
            return None

    async def close(self) -> None:
        await self._transport.close()


def _unheard(event: object) -> None:
    """Nobody waits for the events of a few requests."""
