"""Where a position goes in a request: the query, a header, or the body."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Literal
from xml.sax.saxutils import escape

from headrace.core.errors import AnswerError, InputError
from headrace.core.http import Request
from headrace.core.paths import Segment, parse

Where = Literal["query", "header", "body"]


def put(request: Request, where: Where, name: str, value: Any) -> Request:
    """``request`` with ``value`` at ``name``; in a JSON body ``name`` is a path.

    In a form it is a field, in a text every ``{name}`` (XML-escaped when the text is XML).
    """
    if where == "query":
        return request.with_params([(name, text(value))])
    if where == "header":
        return request.with_headers([(name, text(value))])
    if request.form is not None:
        kept = tuple(pair for pair in request.form if pair[0] != name)
        return replace(request, form=(*kept, (name, text(value))))
    if request.text is not None:
        shown = text(value)
        written = escape(shown, {'"': "&quot;"}) if request.text.lstrip().startswith("<") else shown
        return replace(request, text=request.text.replace(f"{{{name}}}", written))
    body = {} if request.json is None else request.json
    return replace(request, json=_put_json(body, parse(name).segments, value, name))


LONGEST = 65_536
"""Characters of a cursor or link that a URL or a header carries here; few servers take 8,000."""
LONGEST_IN_BODY = 1_000_000
"""Those that a body carries: the cursor is kept with every page."""


def refuse_long(value: Any, place: str, *, in_body: bool = False) -> None:
    """Raises AnswerError for a cursor or link that is too long to be one; ``place`` says where it stood."""
    length, most = len(text(value)), LONGEST_IN_BODY if in_body else LONGEST
    if length > most:
        hint = (
            "is that the right path? A cursor is short" if in_body else "is that the right path? in: body carries more"
        )
        raise AnswerError(f"{place} has {length:,} characters: at most {most:,} can be sent", hint=hint)


def blank(request: Request, name: str) -> Request:
    """A text body without the place that :func:`put` fills; anything else as it is."""
    if request.text is None:
        return request
    return replace(request, text=request.text.replace(f"{{{name}}}", ""))


def alone(request: Request, where: Where, keep: tuple[str, ...]) -> Request:
    """``request`` without the other parameters of the place ``where``, but for those to ``keep``."""
    if where == "body":
        if request.form is not None:
            return replace(request, form=tuple(pair for pair in request.form if pair[0] in keep))
        if isinstance(request.json, dict):
            return replace(request, json={k: v for k, v in request.json.items() if k in keep})
        return request
    from urllib.parse import parse_qsl, urlsplit

    from headrace.core.http import without_params

    in_url = {name for name, _ in parse_qsl(urlsplit(request.url).query, keep_blank_values=True)} - set(keep)
    return replace(
        request, url=without_params(request.url, in_url), params=tuple(p for p in request.params if p[0] in keep)
    )


def text(value: Any) -> str:
    """A cursor as a parameter: strings as they are, everything else as JSON writes it."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _put_json(node: Any, segments: tuple[Segment, ...], value: Any, name: str) -> Any:
    if not segments:
        return value
    head, rest = segments[0], segments[1:]
    if isinstance(node, dict):
        return {**node, str(head): _put_json(node.get(str(head), {} if rest else None), rest, value, name)}
    if isinstance(node, list) and isinstance(head, int) and -len(node) <= head < len(node):
        changed = list(node)
        changed[head] = _put_json(node[head], rest, value, name)
        return changed
    raise InputError(
        f"pagination cannot put the cursor at {name!r} of the body: {str(head)!r} leads into {type(node).__name__}",
        hint="body_path must lead through objects, such as variables.after",
    )
