"""What is fuzzed. A target takes any bytes and returns; an error of :mod:`headrace.core.errors` is its right answer to
bad input, anything else that it raises is a finding."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from headrace.core.contracts import Answer, Decoder, Limits, Paginator
from headrace.core.errors import AnswerError, DecodeError, HeadraceError, RequestFailed, UsageError
from headrace.core.http import Request, Response
from headrace.core.paths import Path, PathSyntaxError, get, parse
from headrace.core.templates import as_text, names, render_tree
from headrace.mapping.config import Column, Table
from headrace.mapping.mapper import Mapper
from headrace.secrets.mask import Masker
from headrace.sources.decode import by_content_type, count, split
from headrace.sources.decode.csv import Csv
from headrace.sources.decode.json import Json
from headrace.sources.decode.jsonl import JsonLines
from headrace.sources.decode.xml import Xml
from headrace.sources.inflate import inflate
from headrace.sources.origins import allowed_origins
from headrace.sources.origins import resolve as resolve_origin
from headrace.sources.paginate._links import find, resolve
from headrace.sources.paginate.cursor import CursorPages
from headrace.sources.paginate.link import LinkPages
from headrace.sources.paginate.offset import OffsetPages
from headrace.sources.paginate.page import NumberedPages
from headrace.sources.ratelimit import RateLimit
from headrace.sources.retry import plan_retry
from headrace.sources.retry_after import quota_wait
from headrace.testing.fuzz import seeds

MOST = 1_000_000
"""Bytes that the unpacking target allows."""
_URL = "https://api.example/items?page=1"
_REQUEST = Request("GET", _URL, params=(("filter", "a b"),))
_PATHS = [parse(text) for text in ("items", "", "data.items", "a.*", "*", "a.b.0", "items.-1.id", '"x.y"')]


@dataclass(frozen=True)
class Target:
    """``run`` takes any bytes; ``seeds`` are small good and bad examples, ``words`` what mutations put in."""

    name: str
    run: Callable[[bytes], None]
    seeds: Sequence[bytes]
    words: Sequence[str] = ()


def _response(body: bytes, content_type: str = "", headers: Sequence[tuple[str, str]] = ()) -> Response:
    own = (("content-type", content_type),) if content_type else ()
    return Response(200, (*own, *headers), body, _URL, 1_700_000_000_000_000)


def _cut(data: bytes) -> tuple[int, bytes]:
    """The first byte chooses, the rest is the input."""
    return (data[0], data[1:]) if data else (0, b"")


def _line(data: bytes) -> tuple[str, bytes]:
    """The first line as a text, and the rest."""
    line, _, rest = data.partition(b"\n")
    return line.decode("utf-8", "replace"), rest


def pipeline(data: bytes) -> None:
    """A pipeline file: read, checked, given its inputs, and written out again."""
    from headrace.pipeline.check import check_draft
    from headrace.pipeline.load import from_resolved, parse

    with suppress(UsageError):
        draft = parse(data, "f")
        check_draft(draft)
        loaded = draft.bind(params=dict.fromkeys(draft.inputs, "1"), environ={})
        from_resolved(json.loads(json.dumps(loaded.resolved())))


def _opened(decoder: Decoder, response: Response, path: Path) -> None:
    """Opened, counted, cut apart, and made rows of."""
    with suppress(AnswerError):
        envelope = decoder.open(response, path, [parse("next"), parse("meta.next"), parse("items.-1.id")])
        envelope.around(parse("meta.next.x"))
        records = split(envelope.records)
        assert len(records) == count(envelope.records), "two ways of counting differ"
        columns = {"id": "id", "a": Column(path="a", type="decimal"), "b": "b.*", "when": Column(path="when")}
        for table in (Table(table="t", columns=columns), Table(table="t", key=["id"])):
            mapper = Mapper([table], known={}, limits=Limits(), lookup=str)
            mapped = mapper.map(envelope.records, page_id=1, fetched_at=0)
            stored = sum(batch.rows.num_rows for batch in mapped.batches)
            assert table.key or stored + len(mapped.rejected) == mapped.count == len(records), "a record is gone"


def json_body(data: bytes) -> None:
    choice, body = _cut(data)
    decoder = Json(type="json", keyed="name" if choice & 64 else None)
    _opened(decoder, _response(body, "application/json"), _PATHS[choice % len(_PATHS)])


def jsonl_body(data: bytes) -> None:
    choice, body = _cut(data)
    _opened(JsonLines(type="jsonl"), _response(body), parse("*.items" if choice & 1 else ""))


def csv_body(data: bytes) -> None:
    choice, body = _cut(data)
    decoder = Csv(
        type="csv",
        delimiter=",;\t|"[choice & 3],
        quote="" if choice & 4 else '"',
        header=["a", "b"] if choice & 8 else None,
        encoding=("utf-16", "latin-1", None, None)[choice >> 4 & 3],
    )
    _opened(decoder, _response(body), parse(""))


def xml_body(data: bytes) -> None:
    choice, body = _cut(data)
    path = _PATHS[choice % len(_PATHS)]
    decoder = Xml(
        type="xml", lists=["items.item", "*.item"] if choice & 32 else [], namespaces="keep" if choice & 64 else "drop"
    )
    _opened(decoder, _response(body, "text/xml"), path)


def any_body(data: bytes) -> None:
    """The first line is the content type."""
    content_type, body = _line(data)
    response = _response(body, content_type)
    with suppress(AnswerError):
        _opened(by_content_type(response), response, parse("items"))


def packed(data: bytes) -> None:
    """The first line is the content coding."""
    coding, body = _line(data)
    with suppress(DecodeError, RequestFailed):
        assert len(inflate(body, coding, max_bytes=MOST)) <= max(MOST, len(body)), "more than was allowed"


def links(data: bytes) -> None:
    """``Link`` headers, a line each; and links out of bodies."""
    headers = [line.decode("utf-8", "replace") for line in data.split(b"\n")]
    target = find(headers, "next")
    for link in headers if target is None else [target]:
        for base in (_URL, "http://[::1]:8080/a"):
            with suppress(HeadraceError):
                Request("GET", resolve(link, base, "the link")).with_params([("a", "b")])
            with suppress(HeadraceError):
                resolve_origin(link, base, allowed_origins(["b.example"], base), what="the link")
    with suppress(HeadraceError):
        allowed_origins(headers)


_WAITS = (
    "retry-after", "x-ratelimit-remaining", "x-ratelimit-reset", "ratelimit", "date", "x-rate-limit-reset",
    "ratelimit-remaining", "ratelimit-reset", "x-ratelimit-reset-after",
)  # fmt: skip


def waits(data: bytes) -> None:
    """Each line is the value of one of the headers that say when to come back."""
    values = [line.decode("utf-8", "replace") for line in data.split(b"\n")]
    headers = tuple(zip(_WAITS, values, strict=False))
    for status in (429, 503, 403):
        response = Response(status, headers, b"", _URL, 1_700_000_000_000_000)
        retry = plan_retry(response, _REQUEST, RateLimit(), 1, 0.5)
        assert retry is None or retry.wait >= 0, "a wait that is no time"
        wait = quota_wait(response)
        assert wait is None or wait >= 0, "a quota's wait that is no time"


_PAGINATORS: tuple[Paginator, ...] = (
    CursorPages(type="cursor", response_path="next"),
    CursorPages(type="cursor", response_path="next", in_="body", body_path="variables.after", total_path="total"),
    CursorPages(type="cursor", response_path="next", merge=True, more_path="more", limit=2),
    CursorPages(type="cursor", response_path="items.-1.id", in_="header", stop_on_empty=True),
    CursorPages(type="cursor", response_header="x-next"),
    OffsetPages(type="offset", limit=2, total_path="total", more_path="more", stop_on_short=True),
    NumberedPages(type="page", pages_path="total", total_header="x-next"),
    LinkPages(type="link", response_path="next", total_path="total"),
    LinkPages(type="link"),
)


def paging(data: bytes) -> None:
    """The first line is a header's value, the rest an answer; every style says where to go on."""
    header, body = _line(data)
    response = _response(body, "application/json", [("link", header), ("x-next", header)])
    for paginator in _PAGINATORS:
        with suppress(AnswerError):
            envelope = Json(type="json").open(response, parse("items"), paginator.wants())
            at = paginator.start()
            answer = Answer(response, envelope, count(envelope.records), 1, 2)
            after = paginator.next(answer, at)
            if after is None:
                paginator.doubt(answer, at)
                continue
            assert json.loads(json.dumps(after)) == after or "NaN" in json.dumps(after), "a cursor must be plain JSON"
            for request in (_REQUEST, Request("POST", _URL, json={}), Request("POST", _URL, text="<a>{cursor}</a>")):
                with suppress(HeadraceError):
                    assert paginator.apply(request, after).full_url.startswith("http")
            paginator.ahead(after)


def path(data: bytes) -> None:
    """The first line is a path, the rest a document that it is followed in."""
    text, body = _line(data)
    try:
        found = parse(text)
    except PathSyntaxError:
        return
    assert parse(text).segments == found.segments
    if not found.stars and not text.startswith("^"):
        with suppress(ValueError, RecursionError):
            get(json.loads(body), found)
    with suppress(AnswerError):
        Json(type="json").open(_response(body), found, [found])


def template(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    values: tuple[Any, ...] = (None, "x", 5, [1, "a"], "{again}")
    for value in values:
        filled = render_tree({"a": [text]}, dict.fromkeys(names(text), value).__getitem__)["a"][0]
        as_text(filled)
    assert len(list(names(text))) <= len(text)


def mask(data: bytes) -> None:
    """The first line is a secret; it is put into the rest, and must be gone."""
    secret, body = _line(data)
    masker = Masker()
    masker.add(secret)
    masked, _ = masker.mask_bytes(body + secret.encode() + body)
    kept = secret.strip()
    if len(kept) >= 6 and "*" not in kept:  # of the mask's own character, what is left can be the mask
        assert kept.encode() not in masked, "a secret is left"


TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        Target("pipeline", pipeline, seeds.PIPELINE, seeds.PIPELINE_WORDS),
        Target("json", json_body, seeds.JSON, seeds.JSON_WORDS),
        Target("jsonl", jsonl_body, seeds.JSONL, seeds.JSON_WORDS),
        Target("csv", csv_body, seeds.CSV),
        Target("xml", xml_body, seeds.XML, seeds.XML_WORDS),
        Target("content-type", any_body, seeds.ANY, seeds.CHARSETS),
        Target("inflate", packed, seeds.PACKED),
        Target("links", links, seeds.LINKS, seeds.LINK_WORDS),
        Target("waits", waits, seeds.WAITS),
        Target("paging", paging, seeds.PAGING, seeds.JSON_WORDS),
        Target("path", path, seeds.PATHS),
        Target("template", template, seeds.TEMPLATES),
        Target("mask", mask, seeds.MASKS),
    )
}
