"""Small examples by hand, good and bad: where the search begins, and what the tests run."""

from __future__ import annotations

import gzip
import zlib

_STEP = b"""
  - step: s
    processor: generic.api_extractor
    config:
      url: https://x.test/{a}
"""
PIPELINE = (
    b"",
    b"steps:" + _STEP + b"      destination: {table: t}\n",
    b"pipeline_id: p\ninputs: {a: {type: list, repeat: true, default: [x]}}\nsteps:" + _STEP + b"""\
      params: {q: "{a}", d: "{start_date_unix}", s: "{slice.c}"}
      slices: {each: {c: [us, de]}}
      pagination: {type: cursor, response_path: data.-1.id, limit: 5}
      auth: {type: oauth2, provider: p, token_url: https://x.test/token}
      tables:
        - table: t
          each: a.*
          key: [id]
          columns: {id: ^.id, n: {path: [x, y], type: decimal, apply: [trim]}, k: {key: 1}, v: {value: {a: 1}}}
          where: {price: {gt: 1}}
""",
    b"source: {base_url: https://x.test, rate_limit: {requests: 5, per_seconds: 1}}\nenvironments: {d: {p: '{env.P}'}}\n"
    b"steps:\n- {step: s, ps_type: generic.api_extractor, config: {url: /{p}, destination: {table: t, key_fields: [id]}, "
    b"transform: {flatten: true, add_fields: {x: '{run_id}'}}}}\n",
    b"a: &a [*a, !!x y, {<<: 1}]\n",
    b"steps: [1\n",
    b"\xef\xbb\xbf%YAML 1.2\r\n---\r\nsteps: {genre: {genre}}\r\n",
    b"x: \xff",
)  # fmt: skip
PIPELINE_WORDS = (
    "steps", "processor", "config", "url", "destination", "table", "tables", "columns", "pagination", "type", "auth",
    "slices", "each", "dates", "inputs", "source", "environments", "params", "{now}", "{slice.x}", "{env.A}", "0x", "^1",
    ".inf", "generic.api_extractor", "cursor", "https://", "null", "<<", "? ", "- ", ": ", "|-\n", ">\n", "&a ", "*a",
)  # fmt: skip

JSON = (
    b"\0" + b'{"items": [{"id": 1, "a": 0.1, "b": [1, {"c": null}], "when": "2024-01-31T00:00:00Z"}], "next": "n"}',
    b"\1" + b'[{"id": 9007199254740993, "a": 1e400}, {"id": "x", "a": "\\ud800"}, {"id": -0.0, "b": {"\\u0000": 1}}]',
    b"\2" + b'{"data": {"items": []}, "meta": {"next": {"x": 123456789012345678901234567890}}}',
    b"\3" + b'{"a": {"x": {"id": 1}, "y": [{"id": NaN}]}}',
    b"\x41" + b'{"x": {"id": 1}, "y": {}, "z": 5}',
    b"\1" + b"\xef\xbb\xbf[1, true, null, [], {}]",
    b"\1" + '[{"é": "ü\t"}]'.encode("utf-16"),
    b"\0" + b'{"items": "cut',
    b"\0" + b"<!doctype html><title>no</title>",
)
JSON_WORDS = (
    '"items"', '"next"', '"id"', '"meta"', "null", "true", "NaN", "-Infinity", "1e400", "-0.0", "\\ud800", "\\u0000",
    "18446744073709551616", "0.1000000000000000055", "[[[[[[[[", "{\"a\":", "]]]]", "}}}", "\\\\", "\xef\xbb\xbf",
)  # fmt: skip
JSONL = (
    b"\0" + b'{"id": 1}\n{"id": 2}\n\n{"id": 3}',
    b"\1" + b'{"items": [{"id": 1}]}\r\n{"items": []}\r\n',
    b"\0" + b'{"id": 1}\n{"id": ',
    b"\0" + b'{"a": "\xff"}\n{"a": NaN}\n1 2\n',
    b"\0" + b'{"a":\n1}\n',
)
CSV = (
    b"\x20" + b"id,a\n1,x\n2,\"y, z\"\n",
    b"\x21" + b"id;a\r\n1;\"x\ny\"\r\n",
    b"\x24" + b'id,a\n1,"\n',
    b"\x28" + b"1,2\n3,4",
    b"\x20" + b'id,id\n1,2\n',
    b"\x20" + b'id,a\n1,"never closed\n2,3\n',
    b"\x00" + "id,a\n1,é\n".encode("utf-16"),
    b"\x20" + b"id,a\n\xff,\0\n",
)  # fmt: skip
XML = (
    b"\0" + b'<items><item id="1"><a>x</a></item><item/></items>',
    b"\x20" + b'<?xml version="1.0" encoding="latin-1"?><a><b xmlns:n="u" n:c="1">t\xe9<n:d/></b></a>',
    b"\0" + b"<s:Envelope xmlns:s='u'><s:Body><s:Fault><faultcode>c</faultcode></s:Fault></s:Body></s:Envelope>",
    b"\0" + b'<!DOCTYPE a [<!ENTITY x "y"><!ENTITY z "&x;&x;">]><a>&z;</a>',
    b"\0" + b"<a><b></a>",
    b"\x40" + b"<a:b xmlns:a='u'><![CDATA[<x>]]>&#x1F600;&lt;</a:b>",
)
XML_WORDS = (
    "<items>",
    "</items>",
    "<item>",
    "<![CDATA[",
    "]]>",
    "<!--",
    "-->",
    "<!DOCTYPE",
    "<?xml",
    "&#0;",
    "xmlns:a='b'",
)
ANY = (
    b'application/json\n{"items": [{"id": 1}]}',
    b"text/csv; charset=utf-16\n\xff\xfea\0,\0b\0\n\0",
    b'application/x-ndjson\n{"id": 1}\n{"id": 2}\n',
    b"text/xml; charset=hex\n<items/>",
    b"text/html; charset=rot13\n<html><title>x</title></html>",
    b"; charset=idna\n  {}",
    b"text/plain; charset=utf-7\n+AGEAYg-",
)
CHARSETS = (
    "charset=", "utf-8", "utf-16", "utf-32-be", "utf-7", "latin-1", "hex", "base64", "zlib", "idna", "punycode",
    "undefined", "unicode_escape", "raw_unicode_escape", "cp932", "iso2022_jp", "mbcs", "rot13", "uu", "..", "text/csv",
    "application/json", "text/xml", "+json", "+xml", "application/x-ndjson", "text/tab-separated-values",
)  # fmt: skip
_PLAIN = b'{"items": [1, 2, 3]}'
PACKED = (
    b"gzip\n" + gzip.compress(_PLAIN, mtime=0),
    b"gzip\n" + gzip.compress(_PLAIN, mtime=0)[:-5],
    b"gzip\n" + gzip.compress(b"", mtime=0) * 3 + b"\0\0",
    b"deflate\n" + zlib.compress(_PLAIN),
    b"deflate\n" + zlib.compress(_PLAIN)[2:-4],
    b'zstd\n(\xb5/\xfd \x14\xa1\0\0{"items": [1, 2, 3]}',
    b'br\n\x8b\x09\x80{"items": [1, 2, 3]}\x03',
    b"gzip, deflate\n" + zlib.compress(gzip.compress(_PLAIN, mtime=0)),
    b"identity, x-gzip,\n" + gzip.compress(bytes(2_000_000), mtime=0),
    b"compress\nx",
)
LINKS = (
    b'<https://api.example/items?page=2>; rel="next", </items?page=9>; rel=last',
    b'</a>; rel="prev next"; title="a, \\"b\\" <c>"',
    b"<http://[::1>; rel=next",
    b"<//other.example/x>;rel=next;rel=prev",
    b"<,<,<,<",
    b"<javascript:alert(1)>; rel=next",
    b"<https://user:pass@api.example:99999/>; rel=next",
    b"b.example\nhttps://b.example:8443\nhttp://\xc3\xa9.example/",
)
LINK_WORDS = ("rel=", "next", "<", ">", ";", ",", '"', "\\", "https://", "//", "http://[", "]:", "@", ":0", "#", "%zz")
WAITS = (
    b"120", b"-1", b"1.5", b"Fri, 31 Dec 1999 23:59:59 GMT", b"9" * 400, b"\n0\n1700000060",
    b'\n\n\n"default";r=0;t=30, "day";r=5;t=9', b"\n\n\nlimit=5, remaining=0, reset=9\nFri, 31 Dec 9999 23:59:59 -2359",
    b"1700000000000", b"Mon, 1 Jan 1 0:0:0 +9999",
)  # fmt: skip
PAGING = (
    b'</items?page=2>; rel="next"\n{"items": [{"id": 1}, {"id": 2}], "next": "abc", "total": 5, "more": true}',
    b'5\n{"items": [{"id": 2}], "next": {"a": 1, "b": [2]}, "total": "7", "more": "false"}',
    b'x\n{"items": [], "next": [{"rel": "next", "href": "/x"}], "total": -1}',
    b'\xff\n{"items": [{"id": {"deep": [1]}}], "next": 1e400, "total": 18446744073709551616}',
    b'\n{"items": [1], "meta": {"next_page_token": "t"}}',
    b'\n{"items": [{"id": "\\ud800"}], "next": "\\ud800", "more": 0}',
)
PATHS = (
    b'a.b.0\n{"a": {"b": [1]}}', b'"x.y".-1\n{"x.y": [1, 2]}', b"*.id\n[{\"id\": 1}]", b"^1.a\n{}", b"\n[]", b"a..b\n{}",
    b"9" * 50 + b"\n[1]", b'"a\\"b"\n{"a\\"b": 1}',
)  # fmt: skip
TEMPLATES = (b"{a}", b"x{a}y{{b}}", b"{{{a}}}", b"{a.b-c.0}", b"{", b"}{", b"{" * 50, b"{{a", "{é}".encode())
MASKS = (
    b"abcdef123456ghijkl\nxabcdef123456ghijklyYWJjZGVm", b"user:pass/word+=\nx", b"\\\"<&'>%20\nx", b"***\nx",
    b"******\n******", b"aaaaaaa\naaaaaaaaaaaaaaaaaaaaaa",
)  # fmt: skip
