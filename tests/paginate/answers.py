"""A paginator as the pipeline file gives it, and what it makes of an answer."""

from __future__ import annotations

import json
from typing import Any

from pydantic import TypeAdapter

from headrace.core.contracts import Answer, Cursor, Paginator
from headrace.core.http import Request, Response
from headrace.core.kinds import OneOf
from headrace.core.paths import parse
from headrace.sources.decode import by_content_type, count

URL = "https://api.example/v1/items?keep=1"


GET = Request("GET", URL, params=(("q", "x"),))


def pages(**config: Any) -> Paginator:
    """A paginator as the pipeline file gives it."""
    from typing import Annotated

    return TypeAdapter(Annotated[Paginator, OneOf("headrace.sources.paginate")]).validate_python(config)


def answered(
    paginator: Paginator, body: Any, *, data: str = "items", page: int = 1, seen: int | None = None,
    headers: dict[str, str] | None = None, url: str = URL,
) -> Answer:  # fmt: skip
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = "text/xml" if text.startswith(b"<") else "application/json"
    response = Response(200, (("content-type", kind), *(headers or {}).items()), text, url, 0)
    envelope = by_content_type(response).open(response, parse(data), paginator.wants())
    records = count(envelope.records)
    return Answer(response, envelope, records, page, records if seen is None else seen)


def after(paginator: Paginator, body: Any, at: Cursor = None, **more: Any) -> Cursor:
    return paginator.next(answered(paginator, body, **more), at)


def doubted(paginator: Paginator, body: Any, at: Cursor = None, **more: Any) -> tuple[str, str] | None:
    answer = answered(paginator, body, **more)
    assert paginator.next(answer, at) is None
    return paginator.doubt(answer, at)
