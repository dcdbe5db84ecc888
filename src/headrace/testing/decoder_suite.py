"""The contract of a decoder: subclass :class:`DecoderSuite` in your tests.

::

    class TestMsgPack(DecoderSuite):
        def decoder(self) -> Decoder:
            return MsgPack(type="msgpack")

        def body(self, records: list[Record], marker: str | None) -> Response: ...
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeAlias

import pytest

from headrace.core.contracts import Decoder
from headrace.core.errors import AnswerError, DecodeError, PathNotFound
from headrace.core.http import Response
from headrace.core.paths import parse
from headrace.sources.decode import count, split

Record: TypeAlias = dict[str, Any]


class DecoderSuite(ABC):
    """What the crawl relies on. Give the decoder and bodies in its format; values are strings."""

    data_path = "items"
    marker_path: str | None = "marker"
    """Where :meth:`body` puts the marker; ``None`` for a format that holds records alone."""

    @abstractmethod
    def decoder(self) -> Decoder:
        """The kind under test."""

    @abstractmethod
    def body(self, records: Sequence[Record], marker: str | None) -> Response:
        """``records`` in this format at :attr:`data_path`, and ``marker`` (absent when ``None``)."""

    def _records(self, response: Response) -> list[Any]:
        envelope = self.decoder().open(response, parse(self.data_path), ())
        return [json.loads(text) for text in split(envelope.records)]

    @pytest.mark.parametrize("size", [2, 7, 100])
    def test_records_come_back_as_they_were(self, size: int) -> None:
        records = [{"id": str(number), "text": f'é \u2028 \U0001f600 "q" \\ <&> {number}'} for number in range(size)]
        assert self._records(self.body(records, "t")) == records

    def test_records_are_the_text_of_a_json_array(self) -> None:
        envelope = self.decoder().open(self.body([{"id": "1"}, {"id": "2"}], "t"), parse(self.data_path), ())
        assert isinstance(envelope.records, bytes)
        assert len(json.loads(envelope.records)) == count(envelope.records) == 2

    def test_numbers_in_texts_keep_their_digits(self) -> None:
        digits = {"id": "9007199254740993", "price": "1.10", "code": "007"}
        assert self._records(self.body([digits, digits], "t")) == [digits, digits]

    def test_wanted_values(self) -> None:
        if self.marker_path is None:
            pytest.skip("the format holds records alone")
        wanted = parse(self.marker_path)
        there = self.decoder().open(self.body([{"id": "1"}], "a:b &c"), parse(self.data_path), [wanted])
        absent = self.decoder().open(self.body([{"id": "1"}], None), parse(self.data_path), [wanted])
        assert there.values == {wanted: "a:b &c"}
        assert absent.values == {}

    def test_a_path_that_leads_nowhere_lists_what_there_is(self) -> None:
        with pytest.raises(PathNotFound) as caught:
            self.decoder().open(self.body([{"id": "1"}, {"id": "2"}], "t"), parse("no_such_place.at_all"), ())
        assert "no_such_place" in str(caught.value)
        assert caught.value.hint

    def test_a_body_that_is_cut_is_refused_or_loses_whole_records_only(self) -> None:
        """Formats without an end mark (lines, rows) cannot tell a cut between two records."""
        records = [{"id": str(number), "text": "x" * 20} for number in range(20)]
        whole = self.body(records, "t")
        for size in range(0, len(whole.body), 7):
            try:
                found = self._records(replace(whole, body=whole.body[:size]))
            except AnswerError:
                continue
            assert all(record in records for record in found[:-1])
            assert len(found) <= len(records)

    @pytest.mark.parametrize(
        "garbage",
        [b"\x00" * 50, b"\xff\xfe\xfd", b"<html><title>Sign in</title></html>", b"[" * 1_000_000, b'{"a":' * 100_000,
         b"<a>" * 100_000, b'"', b"\\", b"<", b'"' + b'\\"' * 100_000],
        ids=["nul", "bytes", "html", "brackets", "braces", "elements", "quote", "backslash", "less", "escapes"],
    )  # fmt: skip
    def test_no_body_gives_more_than_an_answer_error(self, garbage: bytes) -> None:
        whole = self.body([{"id": "1"}], "t")
        with suppress(AnswerError):
            self.decoder().open(replace(whole, body=garbage), parse(self.data_path), ())

    def test_html_is_named(self) -> None:
        page = b"<!DOCTYPE html><html><head><title>Please sign in</title></head><body>...</body></html>"
        with pytest.raises(DecodeError, match="Please sign in"):
            self.decoder().open(replace(self.body([], None), body=page), parse(self.data_path), ())
