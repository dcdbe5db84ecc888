"""JSON Lines, CSV, XML and SOAP, and the choice by content type."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from headrace.core.contracts import Decoder
from headrace.core.errors import DecodeError, ErrorInAnswer, PathNotFound
from headrace.core.http import Response
from headrace.core.paths import parse
from headrace.sources.decode import by_content_type
from headrace.sources.decode.csv import Csv
from headrace.sources.decode.jsonl import JsonLines
from headrace.sources.decode.xml import Xml


def answered(body: bytes | str, kind: str = "") -> Response:
    text = body if isinstance(body, bytes) else body.encode()
    return Response(200, (("content-type", kind),) if kind else (), text, "https://api.example/x", 0)


def records(decoder: Decoder, body: bytes | str, path: str = "", kind: str = "") -> Any:
    return json.loads(decoder.open(answered(body, kind), parse(path), ()).records)


class TestJsonLines:
    LINES = JsonLines(type="jsonl")

    def test_blank_lines_and_line_ends(self) -> None:
        envelope = self.LINES.open(answered('\ufeff{"a":1.50}\r\n\r\n  \n{"a":"x\\n"}'), parse(""), [parse("-1.a")])
        assert envelope.records == b'[{"a":1.50},{"a":"x\\n"}]'
        assert list(envelope.values.values()) == ["x\n"]

    def test_a_list_in_each_line(self) -> None:
        assert records(self.LINES, '{"i":[1,2]}\n{"i":[3]}\n', "*.i") == [1, 2, 3]

    def test_odd_texts(self) -> None:
        assert records(self.LINES, b'{"a":"\\ud800"}\n{"a":"\xff"}\n') == [{"a": "\ud800"}, {"a": "\udcff"}]

    def test_no_lines(self) -> None:
        assert records(self.LINES, "") == []

    @pytest.mark.parametrize(
        ("body", "line"),
        [
            ('{"a":1}\n{"a":', 2),
            ("1,2\n", 1),
            ('{"a":1} {"a":2}\n', 1),
            ('{}\n{"a":\n1}', 2),
            ("[\n]", 1),
            ("{}\n" + "[" * 99999, 2),
        ],
    )
    def test_a_line_that_is_no_json_is_named(self, body: str, line: int) -> None:
        with pytest.raises(DecodeError, match=f"^line {line}: "):
            records(self.LINES, body)


class TestCsv:
    def test_values_are_exact_strings(self) -> None:
        assert records(Csv(type="csv"), 'a,b\r\n007,"x ""y""\nz"\r\n\r\n 1.10 ,\r\n') == [
            {"a": "007", "b": 'x "y"\nz'}, {"a": " 1.10 ", "b": ""},
        ]  # fmt: skip

    def test_options(self) -> None:
        german = Csv(type="csv", delimiter=";", quote="'", encoding="cp1252", header=["n", "p"])
        assert records(german, "'M;ü';1,5\n".encode("cp1252")) == [{"n": "M;ü", "p": "1,5"}]
        assert records(Csv(type="csv", quote=""), 'a\n"x\n') == [{"a": '"x'}]
        assert records(Csv(type="csv"), "a\né\n".encode("latin-1"), kind="text/csv; charset=latin-1") == [{"a": "é"}]

    def test_texts_that_look_like_escapes_stay(self) -> None:
        assert records(Csv(type="csv"), b"a,b\n\\udcff,\xff\n") == [{"a": "\\udcff", "b": "\udcff"}]

    def test_no_rows(self) -> None:
        assert records(Csv(type="csv"), "a,b\n") == []
        assert records(Csv(type="csv"), "") == []

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            ("a,b\n1,2\n3\n", "line 3: 1 fields"),
            ("a,b\n1,2,3\n", "line 2"),
            ('a\n"x', "line 2"),
            ("a,a\n1,2\n", "'a' twice"),
        ],
    )
    def test_what_is_refused(self, body: str, message: str) -> None:
        with pytest.raises(DecodeError, match=message):
            records(Csv(type="csv"), body)

    @pytest.mark.parametrize("options", [{"delimiter": ""}, {"delimiter": ";;"}, {"encoding": "utf-99"}])
    def test_options_that_are_refused(self, options: dict[str, str]) -> None:
        with pytest.raises(ValidationError):
            Csv(type="csv", **options)


class TestXml:
    def test_elements_become_objects(self) -> None:
        body = '<r id="1" xmlns:x="u"><x:i x:k="v"> a <![CDATA[<b>]]></x:i><x:i/><t> </t><s> keep </s></r>'
        assert records(Xml(type="xml"), body) == [
            {"r": {"@id": "1", "i": [{"@k": "v", "#text": "a <b>"}, None], "t": None, "s": " keep "}}
        ]

    def test_namespaces_can_stay(self) -> None:
        body = '<x:r xmlns:x="u"><x:i>1</x:i></x:r>'
        assert records(Xml(type="xml", namespaces="keep"), body, '"x:r"') == [{"@xmlns:x": "u", "x:i": "1"}]

    def test_lists(self) -> None:
        one = "<r><i><p>1</p></i></r>"
        assert records(Xml(type="xml"), one) == [{"r": {"i": {"p": "1"}}}]
        assert records(Xml(type="xml", lists=["r.i", "*.i.p"]), one) == [{"r": {"i": [{"p": ["1"]}]}}]
        assert records(Xml(type="xml"), one, "r.i") == [{"p": "1"}]

    @pytest.mark.parametrize("body", ["<r/>", "<r> </r>", '<r count="0"></r>'])
    def test_an_empty_parent_has_no_records(self, body: str) -> None:
        assert records(Xml(type="xml"), body, "r.i") == []

    def test_an_absent_element_beside_others_must_be_declared(self) -> None:
        body = "<a><r><next>5</next></r></a>"
        with pytest.raises(PathNotFound, match=r"lists: \[a.r.i\]"):
            records(Xml(type="xml"), body, "a.r.i")
        assert records(Xml(type="xml", lists=["a.r.i"]), body, "a.r.i") == []

    def test_the_one_element_at_data_path_can_be_looked_into(self) -> None:
        response = answered("<r><next>5</next></r>")
        envelope = Xml(type="xml").open(response, parse("r"), [parse("r.next")])
        assert (envelope.records, [*envelope.values.values()]) == (b'[{"next":"5"}]', ["5"])
        envelope = Xml(type="xml").open(answered("<r><i><id>5</id></i></r>"), parse("r.i"), [parse("r.i.-1.id")])
        assert [*envelope.values.values()] == ["5"]

    def test_encodings(self) -> None:
        for body, kind in (
            ('<?xml version="1.0" encoding="windows-1252"?><r>é</r>'.encode("cp1252"), "text/xml"),
            ("<r>é</r>".encode("latin-1"), "text/xml; charset=iso-8859-1"),
            ('<?xml version="1.0" encoding="utf-16"?><r>é</r>'.encode("utf-16"), "application/xml"),
            ("\ufeff<r>é</r>".encode(), "application/xml; charset=utf-8"),
        ):
            assert records(Xml(type="xml"), body, kind=kind) == [{"r": "é"}]

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            ('<!DOCTYPE r [<!ENTITY a "b">]><r>&a;</r>', "DOCTYPE"), ('<!DOCTYPE r SYSTEM "file:///etc/passwd"><r/>', "DOCTYPE"),
            ("<r>&a;</r>", "undefined entity"), ("<a>" * 100_000, "deeper"), ("<r><i>", "not whole"), ("<r/><r/>", "not whole"),
            ("", "empty"), ("<r>\udcff".encode("utf-8", "surrogatepass"), "not whole"),
        ],
    )  # fmt: skip
    def test_what_is_refused(self, body: bytes | str, message: str) -> None:
        with pytest.raises(DecodeError, match=message):
            records(Xml(type="xml"), body)

    def test_soap(self) -> None:
        body = '<s:Envelope xmlns:s="e"><s:Body><m:Get xmlns:m="m"><m:row>1</m:row><m:row>2</m:row></m:Get></s:Body></s:Envelope>'
        assert records(Xml(type="xml"), body, "Envelope.Body.Get.row") == ["1", "2"]

    @pytest.mark.parametrize("namespaces", ["drop", "keep"])
    @pytest.mark.parametrize(
        "fault",
        [
            '<faultcode>s:Client</faultcode><faultstring xml:lang="en">no such day</faultstring>',
            '<s:Code><s:Value>s:Client</s:Value></s:Code><s:Reason><s:Text xml:lang="en">no such day</s:Text></s:Reason>',
        ],
    )
    def test_faults(self, fault: str, namespaces: Any) -> None:
        body = f'<s:Envelope xmlns:s="e"><s:Body><s:Fault>{fault}</s:Fault></s:Body></s:Envelope>'
        with pytest.raises(ErrorInAnswer, match="s:Client: no such day"):
            records(Xml(type="xml", namespaces=namespaces), body)

    def test_many_elements_take_linear_time(self) -> None:
        assert len(records(Xml(type="xml"), "<r>" + "<i>1</i>" * 100_000 + "</r>", "r.i")) == 100_000


@pytest.mark.parametrize(
    ("kind", "body", "type"),
    [
        ("application/json", "", "json"), ("application/vnd.api+json; charset=utf-8", "[]", "json"),
        ("application/x-ndjson", "{}", "jsonl"), ("application/jsonl", "{}", "jsonl"), ("text/csv; header=present", "a", "csv"),
        ("text/xml", "<r/>", "xml"), ("application/soap+xml", "<r/>", "xml"), ("application/atom+xml", "", "xml"),
        ("text/plain", ' {"a":1}', "json"), ("", "[1]", "json"), ("text/html", "[1]", "json"),
        ("application/octet-stream", "\ufeff <?xml version='1.0'?><r/>", "xml"), ("text/plain", '{"a":1}\r\n{"a":2}', "jsonl"),
        ("text/plain", '{"a":\n{"a":2}}', "json"), ("", "", "json"),
    ],
)  # fmt: skip
def test_the_content_type_chooses(kind: str, body: str, type: str) -> None:
    assert by_content_type(answered(body, kind)).type == type  # type: ignore[attr-defined]  # every kind has one


def test_tabs() -> None:
    response = answered("a\tb\n1\t2\n", "text/tab-separated-values")
    assert json.loads(by_content_type(response).open(response, parse(""), ()).records) == [{"a": "1", "b": "2"}]


@pytest.mark.parametrize("kind", ["text/html", "application/json", "text/csv", "text/xml", "application/x-ndjson", ""])
def test_html_is_refused_whatever_it_calls_itself(kind: str) -> None:
    response = answered("<!DOCTYPE html><html><title>Log in</title><body>" + "x" * 500, kind)
    with pytest.raises(DecodeError, match=r"HTML \(status 200\) titled 'Log in'"):
        by_content_type(response).open(response, parse(""), ())
