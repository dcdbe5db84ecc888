"""Each answer holds the URL of the next page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from pydantic import Field

from headrace.core.contracts import Answer, Cursor, Paginator
from headrace.core.errors import AnswerError
from headrace.core.http import Request
from headrace.core.model import PathText
from headrace.core.paths import MISSING, Path, parse
from headrace.sources.paginate._links import find, leads_elsewhere, resolve
from headrace.sources.paginate._lost import refuse_lost, signs
from headrace.sources.paginate._paged import whole


class LinkPages(Paginator):
    """A link is followed as it stands, nothing added; relative ones start at the page's URL."""

    type: Literal["link"]
    response_path: PathText = ""
    """Where the link is in the body; empty: the ``Link`` header (RFC 8288). It may lead to a text, or to a
    list of objects with ``rel`` or ``relation`` and ``href`` or ``url`` (FHIR)."""
    rel: str = "next"
    """Relation of the link to follow."""
    limit: int | None = Field(None, ge=1)
    """Page size to ask for in the first request; the links carry it on."""
    limit_param: str = "limit"
    total_path: PathText | None = None
    """Where the answer says how many records there are in all."""
    optional: bool = False
    """An absent link is the end, even on a full first page."""

    def wants(self) -> Sequence[Path]:
        return [parse(text) for text in (self.response_path, self.total_path) if text]

    def apply(self, request: Request, at: Cursor) -> Request:
        if at is not None:
            return replace(request, url=str(at), params=())
        return request if self.limit is None else request.with_params([(self.limit_param, str(self.limit))])

    def next(self, answer: Answer, at: Cursor) -> Cursor:
        page = answer.response.url
        if not self.response_path:
            target = find(answer.response.header_all("link"), self.rel)
            return resolve(target, page, f'the Link header with rel="{self.rel}"') if target else None
        path = parse(self.response_path)
        value = answer.envelope.values.get(path, MISSING)
        if value is MISSING:
            total = self.total(answer)
            if (
                answer.page_number == 1
                and answer.count
                and not self.optional
                and (total is None or answer.seen < total)
            ):
                refuse_lost(answer, path, "response_path", full=self._full(answer))
            return None
        link = _target(value, self.rel)
        if link is MISSING:
            raise AnswerError(
                f"the link at '{path}' is {type(value).__name__}, not a text",
                hint="name the member that holds the URL, such as response_path: links.next.href",
            )
        return resolve(link, page, f"the link at '{path}'") if link else None

    def total(self, answer: Answer) -> int | None:
        return None if self.total_path is None else whole(answer.envelope.values.get(parse(self.total_path)))

    def doubt(self, answer: Answer, at: Cursor) -> tuple[str, str] | None:
        if self.optional or not answer.count or self.total(answer) is not None:
            return None  # a declared total is compared by the crawl
        if self.response_path:
            absent = parse(self.response_path) not in answer.envelope.values
            if absent and self._full(answer):
                return f"the last page was full ({answer.count} records) and had no link", "optional: true"
            return None
        if answer.page_number == 1 and not answer.response.header_all("link"):
            if going_on := signs(answer.envelope.around(Path((), ""))[1]):
                return f"no Link header, but the body has {', '.join(going_on)}", "response_path, or optional: true"
            if self._full(answer):
                return f"the only page was full ({answer.count} records) and had no Link header", "optional: true"
        last = find(answer.response.header_all("link"), "last")
        if self.rel == "next" and last and leads_elsewhere(last, answer.response.url):
            return 'the Link header has rel="last" of another page, and no rel="next"', "optional: true"
        return None

    def _full(self, answer: Answer) -> bool:
        return self.limit is not None and answer.count >= self.limit


def _target(value: Any, rel: str) -> Any:
    """The link's text, ``None`` where the answer says that there is none, MISSING for another shape."""
    if value is None or value is False or value == "":
        return None
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        links = [item for item in value if str(item.get("rel", item.get("relation", ""))).lower() == rel.lower()]
        value = links[0] if links else None
        if value is None:
            return None
        value = value.get("href", value.get("url"))
    return value if isinstance(value, str) else MISSING
