"""A JSON text, opened only as far as somebody looks; what is not looked into stays its own exact text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from headrace.core.errors import DecodeError
from headrace.core.paths import Path, Segment, Star
from headrace.sources.decode._text import mend

T = TypeVar("T")
Raw = msgspec.Raw

_RAW = msgspec.json.Decoder(Raw)
LIST = msgspec.json.Decoder(list[Raw])
_MAP = msgspec.json.Decoder(dict[str, Raw])
_ANY = msgspec.json.Decoder()

MOST = 2_000_000
"""Members of one list or map, lines, or rows of one answer: each costs 80 bytes and more."""
_MARKS = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[\]{},]', re.DOTALL)
_COMMA = ord(",")

SMALL = 2_000
"""Bytes of a member that error messages and guesses still look into."""


class Document:
    """``text`` is UTF-8 JSON. Every method raises DecodeError when it turns out not to be."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self._parsed = text  # what the parser reads: the text, or its stand-in of the same length
        self._mended = False
        self._root: Raw | None = None

    def read(self, decoder: msgspec.json.Decoder[T]) -> T:
        """The whole text through ``decoder``; raises msgspec.ValidationError for another shape."""
        try:
            return decoder.decode(self._parsed)
        except msgspec.ValidationError:
            raise
        except RecursionError:
            raise DecodeError(
                "the body is nested too deeply", hint="JSON with about 1,000 levels and more is refused"
            ) from None
        except msgspec.DecodeError as error:
            if not self._mended:
                self._mended = True
                self.text, self._parsed = mend(self.text)
                return self.read(decoder)
            raise DecodeError(_why(error, self.text), hint=_hint(error)) from None

    @property
    def root(self) -> Raw:
        if self._root is None:
            self._root = self.read(_RAW)
        return self._root

    def exact(self, raw: Raw) -> bytes:
        """The text of a part of this document, as it was sent."""
        if self._parsed is self.text:
            return bytes(raw)
        start, end = self._place(raw)
        return self.text[start:end]

    def listed(self, items: Sequence[Raw]) -> bytes:
        """The text of the list that has these items, as it was sent; there is at least one."""
        start, _ = self._place(items[0])
        _, end = self._place(items[-1])
        return self.text[self.text.rindex(b"[", 0, start) : self.text.index(b"]", end) + 1]

    def _place(self, raw: Raw) -> tuple[int, int]:
        """Where a part begins and ends. A Raw is a view into what was parsed; where it lies there is where it lies in
        the text."""
        import pyarrow as pa  # heavy, and whoever reads one field of a short body does without

        part = pa.py_buffer(memoryview(raw))
        start = part.address - pa.py_buffer(self._parsed).address
        return start, start + part.size

    def value(self, raw: Raw) -> Any:
        """A part as plain Python."""
        text = self.exact(raw)
        try:
            return _ANY.decode(text)
        except (msgspec.DecodeError, RecursionError):
            try:
                return json.loads(text)  # takes lone surrogates, NaN, and numbers past a double's range
            except (ValueError, RecursionError) as error:
                raise DecodeError(
                    f"a value of the body cannot be read: {error}", hint="see it with headrace raw"
                ) from None

    def step(self, raw: Raw, segment: Segment) -> Raw | None:
        """One segment down; ``None`` if it leads nowhere."""
        opening = first(raw)
        if opening == "{":
            return self.members(raw).get(str(segment))
        if opening == "[" and isinstance(segment, int):
            items = self.items(raw)
            return items[segment] if -len(items) <= segment < len(items) else None
        return None

    def items(self, raw: Raw) -> list[Raw]:
        refuse_crowd(raw)
        return LIST.decode(raw)

    def members(self, raw: Raw) -> dict[str, Raw]:
        refuse_crowd(raw)
        return _MAP.decode(raw)

    def get(self, path: Path) -> Raw | None:
        """The part at a path without ``*``."""
        raw: Raw | None = self.root
        for segment in path.segments:
            if raw is None:
                return None
            raw = self.step(raw, segment)
        return raw

    def around(self, path: Path) -> tuple[Path, Mapping[str, Any]]:
        """How far ``path`` can be followed, and the members there; a large one is shown as ``...``."""
        raw, passed = self.root, 0
        for segment in path.segments:
            below = None if isinstance(segment, Star) else self.step(raw, segment)
            if below is None or first(below) not in "{[":
                break
            raw, passed = below, passed + 1
        place = Path(path.segments[:passed], ".".join(map(_shown, path.segments[:passed])))
        if first(raw) != "{":
            return place, {}
        return place, {
            name: self.value(part) if len(memoryview(part)) <= SMALL else ...
            for name, part in self.members(raw).items()
        }

    def matches(self, raw: Raw, segments: tuple[Segment, ...]) -> Iterator[tuple[str | None, Raw]]:
        """Every part that ``segments`` lead to, with the name that the last ``*`` passed on a map."""
        found: list[tuple[str | None, Raw]] = [(None, raw)]
        for segment in segments:
            if isinstance(segment, Star):
                found = [match for _, part in found for match in self._elements(part)]
            else:
                below = ((name, self.step(part, segment)) for name, part in found)
                found = [(name, part) for name, part in below if part is not None]
        yield from found

    def _elements(self, raw: Raw) -> Iterator[tuple[str | None, Raw]]:
        opening = first(raw)
        if opening == "{":
            yield from self.members(raw).items()
        elif opening == "[":
            yield from ((None, part) for part in self.items(raw))


def refuse_crowd(part: Raw | bytes) -> None:
    """Raises DecodeError for a list or map of more than :data:`MOST` members: an answer's bytes are bounded, and
    so has to be what is made of them, where a member is two bytes."""
    if len(memoryview(part)) <= 2 * MOST:
        return
    text = bytes(part)
    if text.count(b",") < MOST:
        return
    depth = members = 0
    for token in _MARKS.finditer(text):
        mark = text[token.start()]
        if mark in b"[{":
            depth += 1
        elif mark in b"]}":
            depth -= 1
        elif mark == _COMMA and depth == 1:
            members += 1
            if members >= MOST:
                raise too_many(MOST, "records")


def too_many(most: int, what: str) -> DecodeError:
    return DecodeError(
        f"the answer holds more than {most:,} {what}",
        hint="ask for smaller pages: set limit under pagination, or the API's own page size under params",
    )


def first(raw: Raw) -> str:
    """The character that tells what a value is: one of ``{ [ " t f n - 0…9``."""
    return chr(memoryview(raw)[0])


def _shown(segment: Segment) -> str:
    text = str(segment)
    return f'"{text}"' if isinstance(segment, str) and ("." in text or not text) else text


def _why(error: msgspec.DecodeError, text: bytes) -> str:
    if not text.strip():
        return "the body is empty"
    if "truncated" in str(error):
        return f"the body is cut short: JSON that does not end (after {len(text)} bytes: …{_tail(text)})"
    return f"the body is not JSON: {str(error).removeprefix('JSON is malformed: ')}; it begins {_head(text)}"


def _hint(error: msgspec.DecodeError) -> str:
    if "truncated" in str(error):
        return "the server or something between stopped sending; running again asks for this page once more"
    return "say what it is with decode: {type: json | jsonl | csv | xml}, or ask for JSON with an Accept header"


def _head(text: bytes) -> str:
    return repr(text[:80].decode("utf-8", "replace"))


def _tail(text: bytes) -> str:
    return repr(text[-40:].decode("utf-8", "replace"))
