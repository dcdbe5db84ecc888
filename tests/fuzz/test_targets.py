"""Every target of the fuzzer over its seeds, over their mutations, and over what it once found."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from headrace.core.contracts import Answer
from headrace.core.errors import AnswerError, DecodeError
from headrace.core.http import Response
from headrace.core.paths import PathSyntaxError, parse
from headrace.sources.decode import by_content_type
from headrace.sources.decode.csv import Csv
from headrace.sources.decode.json import Json
from headrace.sources.paginate.link import LinkPages
from headrace.testing.fuzz.targets import TARGETS

FOUND = {
    "content-type": [
        b"text/plain; charset=hex\nx",
        b"; charset=rot13\n{}",
        b"; charset=idna\n{}",
        b"; charset=punycode\n\xff",
        b"; charset=undefined\n{}",
        b"; charset=unicode_escape\n\\d",
        b"; charset=\0\n{}",
    ],
    "paging": [b'5\n{"items": [{"id": 2}], "next": {"a\xf4": [2]}}', b'\n{"items": [{"id": 1}], "next": "\\ud800"}'],
    "path": [b"9" * 5000 + b"\n[1]", b"^" + b"9" * 5000 + b"\n[1]"],
}


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_and_what_was_found(name: str) -> None:
    for data in [*TARGETS[name].seeds, *FOUND.get(name, [])]:
        TARGETS[name].run(data)


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_with_something_cut_out_put_in_or_repeated(name: str) -> None:
    target = TARGETS[name]
    pieces = st.sampled_from([*[word.encode() for word in target.words], b"", b"\0", b"\xff", b"\n", b'"', b"9" * 30])

    @settings(max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(list(target.seeds)), st.integers(0, 400), st.integers(0, 9), pieces, st.integers(1, 40))
    @example(target.seeds[0], 0, 0, b"", 1)
    def mutate(seed: bytes, at: int, length: int, put: bytes, times: int) -> None:
        target.run(seed[:at] + put * times + seed[at + length :])

    mutate()


def test_a_finding_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The target would see a decoder that lets an exception of Python's own through."""

    def broken(*_: object) -> None:
        raise KeyError("next")

    monkeypatch.setattr(Json, "open", broken)
    with pytest.raises(KeyError):
        TARGETS["json"].run(TARGETS["json"].seeds[0])


def test_a_file_of_input_is_run_alone(tmp_path: Path) -> None:
    (tmp_path / "input").write_bytes(b"\0{}")
    command = [sys.executable, "-m", "headrace.testing.fuzz", "--input", str(tmp_path / "input")]
    assert subprocess.run([*command, "json"], check=False).returncode == 0
    refused = subprocess.run([*command, "jsno"], check=False, capture_output=True, text=True)
    assert refused.returncode == 2
    assert "no target 'jsno'; there are: pipeline, json" in refused.stderr


def test_an_encoding_that_is_none_of_text_counts_as_none() -> None:
    for name in ("hex", "rot13", "idna", "zlib", "no-such"):
        response = Response(
            200, (("content-type", f"application/x; charset={name}"),), b'{"a": "\xc3\xa9"}', "http://x", 0
        )
        assert by_content_type(response).open(response, parse(""), ()).records == b'[{"a": "\xc3\xa9"}]'
        with pytest.raises(ValueError, match=re.escape(f"encoding {name!r} is not known: write it as utf-8")):
            Csv(type="csv", encoding=name)


def test_a_link_that_no_request_can_carry_is_no_link() -> None:
    pages = LinkPages(type="link", response_path="next")
    response = Response(200, (), b'{"items": [{"id": 1}], "next": "/a\\ud800"}', "http://x/y", 0)
    envelope = Json(type="json").open(response, parse("items"), pages.wants())
    with pytest.raises(AnswerError, match="which is no link"):
        pages.next(Answer(response, envelope, 1, 1, 1), None)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"delimiter": "\n"}, "delimiter cannot be a line break"),
        ({"quote": "\r"}, "quote cannot be a line break"),
        ({"delimiter": '"'}, "delimiter and quote are both '\"'"),
    ],
)
def test_marks_of_csv_that_cannot_be_told_apart(given: dict[str, str], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Csv(type="csv", **given)


def test_an_index_too_long_to_be_one_is_refused() -> None:
    for text in ("1" * 19, "a." + "9" * 5000):
        assert parse(text).segments[-1] == text.rpartition(".")[2]  # a name, as in a map whose keys are digits
    with pytest.raises(PathSyntaxError):
        parse("^" + "9" * 5000)
    body = b'{"a": {"' + b"1" * 19 + b'": [{"id": 1}]}}'
    response = Response(200, (), body, "http://x", 0)
    assert Json(type="json").open(response, parse("a." + "1" * 19), ()).records == b'[{"id": 1}]'
    with pytest.raises(DecodeError):
        Json(type="json").open(Response(200, (), b"{", "http://x", 0), parse("a"), ())
