"""Which decoder an answer needs, by its content type, or by how it begins."""

from __future__ import annotations

from functools import cache

import msgspec

from headrace.core.contracts import Decoder
from headrace.core.http import Response
from headrace.sources.decode._text import charset, refuse_html
from headrace.sources.decode.csv import Csv
from headrace.sources.decode.json import Json
from headrace.sources.decode.jsonl import JsonLines
from headrace.sources.decode.xml import Xml

_LINES = frozenset({
    "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines",
    "application/jsonlines", "application/json-lines", "application/x-json-stream", "application/stream+json",
    "text/jsonl",
})  # fmt: skip
_CSV = frozenset({"text/csv", "application/csv", "text/tab-separated-values"})


@cache
def _decoder(name: str) -> Decoder:
    match name:
        case "jsonl":
            return JsonLines(type="jsonl")
        case "csv":
            return Csv(type="csv")
        case "tsv":
            return Csv(type="csv", delimiter="\t")
        case "xml":
            return Xml(type="xml")
        case _:
            return Json(type="json")


def by_content_type(response: Response) -> Decoder:
    """The decoder of an answer for which the file names none. Raises DecodeError when it is HTML."""
    kind = response.header("content-type").partition(";")[0].strip().lower()
    if kind in _LINES:
        return _decoder("jsonl")
    if kind == "application/json" or kind.endswith("+json"):
        return _decoder("json")
    if kind in _CSV:
        return _decoder("tsv" if "tab" in kind else "csv")
    begins = response.body[:400].decode(charset(response), "ignore").replace("\0", "").lstrip("\ufeff\ufffe \t\r\n")
    if begins.startswith("<"):
        refuse_html(response)
        return _decoder("xml")
    if kind in ("application/xml", "text/xml") or kind.endswith("+xml"):
        return _decoder("xml")
    return _decoder("jsonl" if _has_lines(response.body) else "json")


def _has_lines(body: bytes) -> bool:
    """Whether the first line is a whole object and another begins after it."""
    line, _, rest = body[:1_000_000].partition(b"\n")
    if not (line.lstrip().startswith(b"{") and line.rstrip().endswith(b"}") and rest.lstrip().startswith(b"{")):
        return False
    try:
        msgspec.json.decode(line, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
