"""Every decoder against the contract."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from xml.sax.saxutils import escape

from headrace.core.contracts import Decoder
from headrace.core.http import Response
from headrace.sources.decode.csv import Csv
from headrace.sources.decode.json import Json
from headrace.sources.decode.jsonl import JsonLines
from headrace.sources.decode.xml import Xml
from headrace.testing.decoder_suite import DecoderSuite, Record


def answered(text: str, kind: str) -> Response:
    return Response(200, (("content-type", kind),), text.encode(), "https://api.example/x", 0)


class TestJson(DecoderSuite):
    def decoder(self) -> Decoder:
        return Json(type="json")

    def body(self, records: Sequence[Record], marker: str | None) -> Response:
        rest = {} if marker is None else {"marker": marker}
        return answered(json.dumps({"items": records, **rest}, ensure_ascii=False), "application/json")


class TestJsonLines(DecoderSuite):
    data_path = ""
    marker_path = None

    def decoder(self) -> Decoder:
        return JsonLines(type="jsonl")

    def body(self, records: Sequence[Record], marker: str | None) -> Response:
        return answered("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records), "application/x-ndjson")


class TestCsv(DecoderSuite):
    data_path = ""
    marker_path = None

    def decoder(self) -> Decoder:
        return Csv(type="csv")

    def body(self, records: Sequence[Record], marker: str | None) -> Response:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, list(records[0]) if records else ["id"])
        writer.writeheader()
        writer.writerows(records)
        return answered(text.getvalue(), "text/csv")


class TestXml(DecoderSuite):
    data_path = "answer.item"
    marker_path = "answer.marker"

    def decoder(self) -> Decoder:
        return Xml(type="xml", lists=["answer.item"])

    def body(self, records: Sequence[Record], marker: str | None) -> Response:
        items = [f"<item>{''.join(f'<{k}>{escape(v)}</{k}>' for k, v in r.items())}</item>" for r in records]
        end = "" if marker is None else f"<marker>{escape(marker)}</marker>"
        return answered(f"<?xml version='1.0'?><answer>{''.join(items)}{end}</answer>", "text/xml")
