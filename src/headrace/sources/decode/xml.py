"""XML and SOAP: elements become objects, so that paths work on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal
from xml.parsers import expat

import msgspec

from headrace.core.contracts import Decoder, Envelope
from headrace.core.errors import DecodeError, ErrorInAnswer, PathNotFound
from headrace.core.http import Response
from headrace.core.model import PathText
from headrace.core.paths import Path, Star, parse
from headrace.sources.decode._document import too_many
from headrace.sources.decode._open import open_text
from headrace.sources.decode._text import charset, refuse_html

MAX_DEPTH = 200
MOST_ELEMENTS = 5_000_000
"""With their attributes, of one answer."""


class Xml(Decoder):
    """``<a id="1"><b>x</b><b>y</b></a>`` is ``{"a": {"@id": "1", "b": ["x", "y"]}}``.

    An element with attributes or children is an object, its text under ``#text``; any other is its text,
    an empty one null. Every value is a string. A SOAP fault raises ErrorInAnswer.
    """

    type: Literal["xml"]
    lists: list[PathText] = []
    """Elements that are a list even when there is one or none: ``rss.channel.item``; ``*`` passes any element.
    The element at ``data_path`` is one by itself, but only here may it be absent beside others."""
    namespaces: Literal["drop", "keep"] = "drop"
    """keep: names stay with their prefix (``"soap:Body"``, in quotes in a path) and xmlns are attributes."""

    def open(self, response: Response, data_path: Path, wants: Sequence[Path]) -> Envelope:
        """A single element at ``data_path`` is one record; in an empty parent there are none."""
        refuse_html(response)
        declared = [parse(text) for text in self.lists]
        lists = declared if _looked_into(data_path, wants) else [*declared, data_path]
        tree = _Builder(self.namespaces == "keep", lists).read(response)
        _refuse_fault(tree)
        for path in lists:
            _fill(tree, path, even_beside_others=path in declared)
        try:
            return open_text(msgspec.json.encode(tree), data_path, wants)
        except PathNotFound as error:
            error.hint += f"; an element that may be absent: decode: {{type: xml, lists: [{data_path}]}}"
            raise


def _looked_into(data_path: Path, wants: Sequence[Path]) -> bool:
    """Whether paging reads a member of the one element at ``data_path``."""
    end = len(data_path.segments)
    return any(
        len(w.segments) > end and w.segments[:end] == data_path.segments and isinstance(w.segments[end], str)
        for w in wants
    )


def _fill(tree: dict[str, Any], path: Path, *, even_beside_others: bool) -> None:
    """Put an empty list where none of a list's elements came."""
    if not all(isinstance(segment, str) for segment in path.segments) or len(path.segments) < 2:
        return
    names = [str(segment) for segment in path.segments]
    above: Any = tree
    for name in names[:-2]:
        above = above.get(name) if isinstance(above, dict) else None
    if not isinstance(above, dict) or names[-2] not in above:
        return
    parent = above[names[-2]]
    if parent is None:
        parent = above[names[-2]] = {}
    if isinstance(parent, dict) and (even_beside_others or all(name.startswith("@") for name in parent)):
        parent.setdefault(names[-1], [])


class _Element:
    __slots__ = ("children", "name", "text")

    def __init__(self, name: str) -> None:
        self.name = name
        self.text: list[str] = []
        self.children: dict[str, Any] = {}


class _Builder:
    """Builds the objects while expat reads; nothing recurses."""

    def __init__(self, keep: bool, lists: Sequence[Path]) -> None:
        self._keep = keep
        self._lists = lists
        self._open: list[_Element] = [_Element("")]
        self._count = 0

    def read(self, response: Response) -> dict[str, Any]:
        declared = charset(response, "")
        body = response.body
        parser = expat.ParserCreate("utf-8" if declared else None)
        parser.buffer_text = True
        parser.ordered_attributes = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = _refuse_doctype
        try:
            if declared not in ("", "utf-8"):
                body = body.decode(declared).encode()
            parser.Parse(body.lstrip(), True)
        except (expat.ExpatError, ValueError, LookupError) as error:
            what = "the body is empty" if not body.strip() else f"the body is not whole XML: {error}"
            raise DecodeError(what, hint="it is cut short, or not XML: say what it is with decode: {type: …}") from None
        return self._open[0].children

    def _start(self, name: str, attributes: list[str]) -> None:
        if len(self._open) > MAX_DEPTH:
            raise DecodeError(f"the XML is nested deeper than {MAX_DEPTH} elements", hint="is this the right url?")
        self._count += 1 + len(attributes) // 2
        if self._count > MOST_ELEMENTS:
            raise too_many(MOST_ELEMENTS, "elements and attributes")
        element = _Element(self._named(name))
        for at in range(0, len(attributes), 2):
            key = attributes[at]
            if self._keep or not (key == "xmlns" or key.startswith("xmlns:")):
                element.children["@" + self._named(key)] = attributes[at + 1]
        self._open.append(element)

    def _text(self, text: str) -> None:
        self._open[-1].text.append(text)

    def _end(self, _name: str) -> None:
        element = self._open.pop()
        text = "".join(element.text)
        value: Any = element.children
        if value:
            if text.strip():
                value["#text"] = text.strip()
        else:
            value = text if text.strip() else None
        siblings = self._open[-1].children
        if element.name not in siblings:
            siblings[element.name] = [value] if self._listed(element.name) else value
        elif isinstance(siblings[element.name], list):
            siblings[element.name].append(value)
        else:
            siblings[element.name] = [siblings[element.name], value]

    def _named(self, name: str) -> str:
        return name if self._keep else name.rpartition(":")[2]

    def _listed(self, name: str) -> bool:
        where = [*(element.name for element in self._open[1:]), name]
        return any(
            len(path.segments) == len(where)
            and all(isinstance(s, Star) or str(s) == name for s, name in zip(path.segments, where, strict=True))
            for path in self._lists
        )


def _refuse_doctype(*_: Any) -> None:
    raise DecodeError(
        "the XML declares a DOCTYPE, which is never read (entities could expand without end or name files)",
        hint="ask the API for a form without it",
    )


def _refuse_fault(tree: dict[str, Any]) -> None:
    fault = _below(_below(_below(tree, "Envelope"), "Body"), "Fault")
    if fault is None:
        return
    code = _plain(_below(fault, "faultcode") or _below(_below(fault, "Code"), "Value"))
    reason = _plain(_below(fault, "faultstring") or _below(_below(fault, "Reason"), "Text"))
    raise ErrorInAnswer(
        f"the API answered a SOAP fault, {code or 'without a code'}: {reason or 'without a reason'}",
        hint="check soap.envelope and the parameters in it",
    )


def _below(value: Any, name: str) -> Any:
    """A child by its local name."""
    if isinstance(value, list):
        value = value[0]
    if not isinstance(value, dict):
        return None
    return next((child for key, child in value.items() if key.rpartition(":")[2] == name), None)


def _plain(value: Any) -> str:
    def texts(part: Any) -> Iterator[str]:
        if isinstance(part, str):
            yield part
        elif isinstance(part, dict):
            yield from texts(part.get("#text"))
        elif isinstance(part, list):
            for item in part:
                yield from texts(item)

    return " ".join(texts(value))[:500]
