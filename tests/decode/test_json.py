"""JSON: exact slices, every shape of answer, and bodies that are not quite JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.core.contracts import Envelope
from headrace.core.errors import DecodeError, PathNotFound
from headrace.core.http import Response
from headrace.core.paths import parse
from headrace.sources.decode import count, split
from headrace.sources.decode.json import Json


def answered(body: Any, kind: str = "application/json", status: int = 200) -> Response:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, (("content-type", kind),), text, "https://api.example/x", 0)


def opened(
    body: Any, path: str = "a", *wants: str, kind: str = "application/json", keyed: str | None = None
) -> Envelope:
    return Json(type="json", keyed=keyed).open(answered(body, kind), parse(path), [parse(want) for want in wants])


def found(envelope: Envelope) -> dict[str, Any]:
    return {path.text: value for path, value in envelope.values.items()}


class TestShapes:
    def test_the_records_are_cut_out_as_they_were_sent(self) -> None:
        body = b'{"n": 3, "a" : [ {"x": 1.50, "y":9007199254740993},\n {"x":1e400} ] }'
        assert opened(body).records == b'[ {"x": 1.50, "y":9007199254740993},\n {"x":1e400} ]'

    @pytest.mark.parametrize("path", ["a", ""])
    @given(st.lists(st.one_of(st.none(), st.integers(), st.text(max_size=3), st.lists(st.text(max_size=2), max_size=2),
                              st.dictionaries(st.text(max_size=2), st.sampled_from(["[", "]", ", ", 1]), max_size=2)),
                    max_size=5), st.sampled_from(["", " ", "\n\t "]), st.booleans())  # fmt: skip
    def test_records_that_are_counted_on_the_way(
        self, path: str, records: list[Any], space: str, escaped: bool
    ) -> None:
        text = space + json.dumps(records, ensure_ascii=escaped, separators=(f"{space},{space}", ":")) + space
        text = "[" + space + text.strip()[1:-1] + space + "]"
        found = opened(
            (text if not path else f'{{"n":[1],{space}"a"{space}:{space}{text}{space},"z":[2]}}').encode(), path
        )
        assert found.records.decode() == text if records else json.loads(found.records) == []
        assert count(found.records) == len(records)
        assert found.count == (len(records) if records else None)

    @pytest.mark.parametrize("wanted", ["a", "a.0.x", "a.-1"])
    def test_records_of_which_paging_wants_a_part(self, wanted: str) -> None:
        envelope = opened({"a": [{"x": 1}, {"x": 2}]}, "a", wanted)
        assert (json.loads(envelope.records), list(found(envelope))) == ([{"x": 1}, {"x": 2}], [wanted])

    @pytest.mark.parametrize(
        ("path", "records"),
        [
            ("a", [1, 2]),
            ("m.deep.list", [3]),
            ("m.deep", [{"list": [3]}]),
            ("m.none", []),
            ("p.1", [4, 5]),
            ("p.-1", [4, 5]),
            ("p.0", [{"pages": 1}]),
            ("map.*", [{"v": 1}, {"v": 2}]),
            ("lists.*", [1, 2, 3]),
            ("lists.*.*", [1, 2, 3]),
            ("nested.*.b", [1, 2, 3]),
            ("nested.*.c", []),
            ('"a.b"', [6]),
            ("map.7", [{"v": 1}]),
            ("", [{}]),
        ],
    )  # fmt: skip
    def test_data_paths(self, path: str, records: list[Any]) -> None:
        body = {
            "a": [1, 2], "m": {"deep": {"list": [3]}, "none": None}, "p": [{"pages": 1}, [4, 5]], "a.b": [6],
            "map": {"7": {"v": 1}, "8": {"v": 2}}, "lists": {"x": [1, 2], "y": [], "z": [3]},
            "nested": {"x": {"b": [1, 2]}, "y": {"b": [3]}, "z": {}, "n": None},
        }  # fmt: skip
        expected = [body] if path == "" else records
        assert json.loads(opened(body, path).records) == expected

    def test_roots_that_are_lists(self) -> None:
        assert opened(b" [1, 2]\n", "").records == b"[1, 2]"
        envelope = opened([{"page": 1}, [{"id": 5}]], "1", "0.page", "1.-1.id", "0.pages")
        assert (envelope.records, found(envelope)) == (b'[{"id": 5}]', {"0.page": 1, "1.-1.id": 5})

    def test_a_map_gives_its_names(self) -> None:
        body = {"a": {"x": {"v": 1}, "y": {}, "z": 5, "w": {"id": "own"}}}
        expected = [{"id": "x", "v": 1}, {"id": "y"}, {"id": "z", "value": 5}, {"id": "own"}]
        assert json.loads(opened(body, keyed="id").records) == expected
        assert json.loads(opened(body, "a.*", keyed="id").records) == expected
        assert json.loads(opened({"a": {"jan": [{"v": 1}, {"v": 2}]}}, "a.*", keyed="m").records) == [
            {"m": "jan", "v": 1}, {"m": "jan", "v": 2},
        ]  # fmt: skip
        assert opened({"a": []}, keyed="id").records == b"[]", "PHP writes an empty map like this"

    def test_wanted_values(self) -> None:
        body = {"a": [{"id": 1}, {"id": 2}], "m": {"next": "c", "n": None, "big": 10**30, "f": 1.5}, "ok": False}
        envelope = opened(body, "a", "m.next", "m.n", "m.no", "m.big", "m.f", "a.-1.id", "ok", "m.next.deeper", "no.no")
        assert found(envelope) == {"m.next": "c", "m.n": None, "m.big": 10**30, "m.f": 1.5, "a.-1.id": 2, "ok": False}

    def test_a_wanted_path_may_lie_around_or_inside_another(self) -> None:
        body = {"d": {"a": [1], "n": 2}, 'q"': 4}
        assert found(opened(body, "d.a", "d", "d.n", "")) == {"d": body["d"], "d.n": 2, "": body}
        around = opened(body, "d.a", "d")
        assert (around.records, found(around)) == (b"[1]", {"d": body["d"]})
        assert found(opened(body, "d.a", "d.a", "d.a.0")) == {"d.a": [1], "d.a.0": 1}
        assert found(opened(body, "d.a", r'"q\""')) == {r'"q\""': 4}

    def test_the_last_of_equal_keys_counts(self) -> None:
        envelope = opened(b'{"a":[1],"n":1,"a":[2],"n":2}', "a", "n")
        assert (envelope.records, found(envelope)) == (b"[2]", {"n": 2})

    def test_no_content(self) -> None:
        assert Json(type="json").open(answered(b"", status=204), parse("a"), ()).records == b"[]"

    def test_around_is_where_a_path_stops(self) -> None:
        place, members = opened({"a": [], "meta": {"next": "c", "big": "x" * 5000}}).around(parse("meta.nxt.deep"))
        assert (place.text, members) == ("meta", {"next": "c", "big": ...})


class TestNowhere:
    @pytest.mark.parametrize(
        ("body", "path", "message", "hint"),
        [
            ({"items": [], "n": 1}, "itmes", "has the keys items, n, did you mean 'items'?", "data_path: items"),
            ({"data": {"list": []}}, "data.lst", "'data' has the keys list, did you mean 'list'?", "data_path: data.list"),
            ([1], "data", "the answer's root is a list of 1", 'data_path: ""'),
            ({"data": None}, "data.items", "'data', which is None", ""),
            ({"data": 5}, "data", "leads to 5", ""),
            ({"data": "text"}, "data", 'leads to "text"', ""),
            (5, "data", "root is 5", ""),
            (5, "", "leads to 5", ""),
            ({}, "data", "leads nowhere", ""),
            ({"p": [1]}, "p.4", "'p' is a list of 1", "data_path: 'p'"),
        ],
    )  # fmt: skip
    def test_it_says_what_there_is(self, body: Any, path: str, message: str, hint: str) -> None:
        with pytest.raises(PathNotFound) as caught:
            opened(body, path)
        assert message in caught.value.message
        assert hint in caught.value.hint


class TestNotQuiteJson:
    def test_lone_surrogates_stay_escaped_and_numbers_stay_texts(self) -> None:
        body = rb'{"c":"\udc00x","a":[{"t":"\ud800 \\ud800 \ud83d\ude00 \uD800A","n":1.50,"m":1e400}]}'
        envelope = opened(body, "a", "c")
        assert envelope.records == rb'[{"t":"\ud800 \\ud800 \ud83d\ude00 \uD800A","n":1.50,"m":1e400}]'
        assert found(envelope) == {"c": "\udc00x"}

    def test_bytes_that_are_no_text_become_surrogates(self) -> None:
        envelope = opened(b'{"b":"\xff","a":[{"t":"caf\xe9"},{"t":"caf\xc3\xa9"}]}', "a", "b")
        assert envelope.records == b'[{"t":"caf\\udce9"},{"t":"caf\xc3\xa9"}]'
        assert [json.loads(text)["t"] for text in split(envelope.records)] == ["caf\udce9", "café"]

    def test_numbers_that_json_lacks(self) -> None:
        body = b'{"a":[{"n":NaN},{"n":-Infinity,"t":"NaN Infinity \\" NaN"},{"n":1.10}]}'
        assert split(opened(body).records) == [
            b'{"n":NaN}',
            b'{"n":-Infinity,"t":"NaN Infinity \\" NaN"}',
            b'{"n":1.10}',
        ]

    def test_control_characters_in_strings(self) -> None:
        assert opened(b'{"a":["x\ty\n\\n\x00"],\t"b":1}').records == b'["x\\u0009y\\u000a\\n\\u0000"]'

    @pytest.mark.parametrize(
        ("body", "kind"),
        [
            (b'\xef\xbb\xbf{"a":["\xc3\xa9"]}', "application/json"),
            ('{"a":["é"]}'.encode("utf-16"), "application/json"),
            ('{"a":["é"]}'.encode("utf-16-le"), "application/json"),
            ('{"a":["é"]}'.encode("utf-16-be"), "application/json; charset=UTF-16"),
            ('{"a":["é"]}'.encode("latin-1"), 'application/json; charset="ISO-8859-1"'),
            ('{"a":["é"]}'.encode("cp1252"), "application/json; charset=windows-1252"),
            ('{"a":["é"]}'.encode(), "application/json; charset=nonsense"),
            ('{"a":["é"]}'.encode(), "application/json;charset=utf8"),
        ],
    )  # fmt: skip
    def test_encodings(self, body: bytes, kind: str) -> None:
        assert opened(body, kind=kind).records == '["é"]'.encode()

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            (b"", "empty"), (b" \n", "empty"), (b'{"a":[1,2', "cut short"), (b'{"a":["x', "cut short"),
            (b'{"a":[]} x', "trailing"), (b'{"a":[1,]}', "comma"), (b'{"a":[01]}', "number"), (b"OK", "begins 'OK'"),
            (b"[" * 1_000_000, "nested"), (b'{"a":' * 1_000_000, "nested"),
            (b'{"a":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}", "nested"), (b'{"a":"\\x"}', "escape"),
            ('{"a":[1]'.encode("utf-16"), "cut short"), (b"\xff\xfe{", "utf-16"),
        ],
    )  # fmt: skip
    def test_what_is_refused(self, body: bytes, message: str) -> None:
        with pytest.raises(DecodeError, match=message) as caught:
            opened(body)
        assert len(str(caught.value)) < 500

    def test_html_says_its_title_and_status(self) -> None:
        page = b"\n<!-- x --><!doctype HTML><html><title>\n Sign  in</title>" + b"x" * 5000
        with pytest.raises(DecodeError, match=r"HTML \(status 503\) titled 'Sign in'"):
            Json(type="json").open(answered(page, status=503), parse("a"), ())


TEXTS = st.text(st.characters(codec=None) | st.sampled_from('"\\\ud800\udfff\x00é\u2028'), max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
MESS = st.sampled_from([b"", b"\xef\xbb\xbf", b" ", b"\n"])


@settings(max_examples=300, deadline=None)
@given(records=st.lists(VALUES, max_size=6), rest=VALUES, ascii=st.booleans(), lead=MESS, depth=st.integers(0, 3))
def test_any_document(records: list[Any], rest: Any, ascii: bool, lead: bytes, depth: int) -> None:
    """Records, each record, the count and a wanted value come back as the standard library reads them."""
    body: Any = {"rest": rest, "a": records}
    for level in range(depth):
        body = {"noise": rest, f"l{level}": body}
    inside = "".join(f"l{level}." for level in reversed(range(depth)))
    text = lead + json.dumps(body, ensure_ascii=ascii).encode("utf-8", "surrogatepass")
    plain = json.loads(json.dumps(body))
    for level in reversed(range(depth)):
        plain = plain[f"l{level}"]
    try:
        text.decode()
    except UnicodeDecodeError:
        return  # a raw surrogate comes back byte by byte, which test_bytes_that_are_no_text covers
    envelope = opened(text, f"{inside}a", f"{inside}rest")
    assert json.loads(envelope.records) == plain["a"]
    assert [json.loads(part) for part in split(envelope.records)] == plain["a"]
    assert count(envelope.records) == len(records)
    assert found(envelope) == {f"{inside}rest": plain["rest"]}


@settings(max_examples=300, deadline=None)
@given(body=st.binary(max_size=60) | st.text('[]{}",:\\u0de8 tfn1-.eNaI\n\ud800', max_size=60))
def test_any_bytes(body: bytes | str) -> None:
    """What the standard library reads strictly is read alike; nothing gives another error than ours."""
    text = body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass")
    try:
        envelope = opened(text, "")
    except (DecodeError, PathNotFound):
        with pytest.raises((ValueError, AssertionError)):  # or it is no list and no object
            assert isinstance(json.loads(text), list | dict)
        return
    json.loads(envelope.records)


def test_a_page_with_100_000_records() -> None:
    body = json.dumps({"a": [{"id": n} for n in range(100_000)]}).encode()
    envelope = opened(body, "a", "a.-1.id")
    assert count(envelope.records) == 100_000
    assert found(envelope) == {"a.-1.id": 99_999}
