"""Answers of every format and root: maps, pairs, JSON Lines, CSV, XML, a BOM, no paging at all."""

from __future__ import annotations

import csv
import io
from xml.sax.saxutils import escape

from headrace.sandbox.exchange import Exchange
from headrace.sandbox.http import Reply, dumps, join
from headrace.sandbox.listing import Records, Window
from headrace.sandbox.records import flat
from headrace.sandbox.styles._common import Family, after, asked_place, decode_ascii, encode_ascii, link

FAMILY = Family()
style = FAMILY.style


def _by_page(exchange: Exchange) -> tuple[Records, Window, int]:
    records, size = exchange.records(), exchange.size("per_page")
    number = exchange.request.number("page", 1, least=1)
    return records, records.window((number - 1) * size, size, positional=True), -(-records.total // size)


@style(
    "map-of-records", "the records are a map by id, beside the number of pages", "total", "positional",
    extract={"pagination": {"type": "page", "pages_path": "pages"}, "data_path": "result.*"},
)  # fmt: skip
def map_of_records(exchange: Exchange) -> Reply:
    records, page, pages = _by_page(exchange)
    rows = exchange.rendered("map", records, page, lambda: dumps({str(r["id"]): r for r in records.rows(page)}))
    return Reply(body=join(pages=pages, result=rows))


@style(
    "meta-rows", "the root is [meta, rows]", "total", "positional",
    extract={"pagination": {"type": "page", "pages_path": "0.pages", "total_path": "0.total"}, "data_path": "1"},
)  # fmt: skip
def meta_rows(exchange: Exchange) -> Reply:
    records, page, pages = _by_page(exchange)
    meta = {"page": exchange.request.number("page", 1, least=1), "pages": pages, "total": page.total}
    return Reply(body=b"[" + dumps(meta) + b"," + exchange.array(records, page) + b"]")


@style(
    "root-array", "the root is the array; page numbers, the end is an empty one", "positional",
    extract={"pagination": {"type": "page"}, "data_path": ""},
)  # fmt: skip
def root_array(exchange: Exchange) -> Reply:
    records, page, _ = _by_page(exchange)
    return Reply(body=exchange.array(records, page))


@style("whole", "everything in one answer", extract={"pagination": {"type": "none"}})
def whole_list(exchange: Exchange) -> Reply:
    records = exchange.records()
    return Reply(body=join(data=exchange.array(records, records.window(0, records.total, positional=False))))


@style(
    "bom", "JSON behind a byte order mark; cursor in the query", "cursor",
    extract={"pagination": {"type": "cursor", "response_path": "next"}},
)  # fmt: skip
def bom(exchange: Exchange) -> Reply:
    records = exchange.records()
    page = records.window(asked_place(exchange), exchange.size("limit"), positional=False)
    body = b"\xef\xbb\xbf" + join(data=exchange.array(records, page), next=after(page))
    return Reply(body=body, content_type="application/json; charset=utf-8")


@style(
    "jsonl", "JSON Lines; the next page in a Link header", "cursor", "positional",
    extract={"pagination": {"type": "link"}, "data_path": ""},
)  # fmt: skip
def jsonl(exchange: Exchange) -> Reply:
    records = exchange.records()
    page = records.window(exchange.request.number("offset", 0), exchange.size("limit"), positional=True)
    body = exchange.rendered("jsonl", records, page, lambda: b"".join(dumps(row) + b"\n" for row in records.rows(page)))
    headers = []
    if page.next is not None:
        headers.append(("Link", f'<{exchange.base}{link(exchange, {"offset": page.next})}>; rel="next"'))
    return Reply(body=body, content_type="application/x-ndjson", headers=headers)


@style(
    "csv", "CSV with quotes, line ends and commas in fields; offset, the end is a header alone", "positional",
    extract={"pagination": {"type": "offset"}, "data_path": ""},
)  # fmt: skip
def csv_pages(exchange: Exchange) -> Reply:
    records = exchange.records()
    page = records.window(exchange.request.number("offset", 0), exchange.size("limit"), positional=True)

    def render() -> bytes:
        out = io.StringIO(newline="")
        writer = csv.DictWriter(out, fieldnames=list(flat(records.at(0))))
        writer.writeheader()
        for row in records.rows(page):
            fields = flat(row)
            if row["id"] % 11 == 0:
                fields["note"] = 'two\nlines, and "quotes"'
            writer.writerow(fields)
        return out.getvalue().encode()

    return Reply(body=exchange.rendered("csv", records, page, render), content_type="text/csv; charset=utf-8")


@style(
    "xml", "XML with attributes; its own paging token, absent at the end", "cursor",
    extract={
        "pagination": {"type": "cursor", "param": "resume", "response_path": "response.next", "optional": True},
        "decode": {"type": "xml", "lists": ["response.records.record"]},
        "data_path": "response.records.record",
    },
)  # fmt: skip
def xml(exchange: Exchange) -> Reply:
    records, given = exchange.records(), exchange.request.query.get("resume")
    page = records.window(decode_ascii(given, "resume") if given else 0, exchange.size("limit"), positional=False)
    rows = exchange.rendered("xml", records, page, lambda: xml_rows(records, page))
    following = "" if page.next is None else f"<next>{escape(encode_ascii(page.next))}</next>"
    body = b'<?xml version="1.0" encoding="UTF-8"?>\n<response><records>%s</records>%s</response>\n'
    return Reply(body=body % (rows, following.encode()), content_type="application/xml")


def xml_rows(records: Records, page: Window) -> bytes:
    """The page as ``<record id="…">`` elements; a null is an absent element."""
    out = []
    for row in records.rows(page):
        fields = flat(row)
        inner = "".join(
            f"<{name}>{escape(str(value).lower() if isinstance(value, bool) else str(value))}</{name}>"
            for name, value in fields.items()
            if value is not None and name != "id"
        )
        tags = "".join(f"<tag>{escape(tag)}</tag>" for tag in row["tags"])
        out.append(f'<record id="{row["id"]}">{inner}<tags>{tags}</tags></record>')
    return "".join(out).encode()


ROUTES = FAMILY.routes
