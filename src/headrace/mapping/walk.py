"""Down into an answer, level by level, so that every value keeps its exact text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from headrace.core.paths import Path, Segment, Star, Up
from headrace.mapping.cells import Cell, Num, Unfit, from_text, shown

_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_array = msgspec.json.Decoder(list[msgspec.Raw]).decode
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},]', re.DOTALL)


class Node:
    """A JSON value by its text; opened when asked."""

    __slots__ = ("_children", "_opened", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self._opened = False
        self._children: dict[str, Node] | list[Node] | None = None

    @property
    def children(self) -> dict[str, Node] | list[Node] | None:
        """Members or items; ``None`` for a scalar."""
        if not self._opened:
            if self.raw[:1] == b"{":
                self._children = {key: Node(bytes(raw)) for key, raw in _object(self.raw).items()}
            elif self.raw[:1] == b"[":
                self._children = [Node(bytes(raw)) for raw in _array(self.raw)]
            self._opened = True
        return self._children

    @property
    def is_null(self) -> bool:
        return self.raw == b"null"

    def cell(self) -> Cell:
        return from_text(self.raw)


def split(records: bytes) -> list[bytes]:
    """The elements of a JSON array by their brackets alone, for text that a decoder refuses as a whole."""
    found: list[bytes] = []
    depth, start = 0, 0
    for token in _TOKEN.finditer(records):
        mark = records[token.start()]
        if mark in b"[{":
            depth += 1
            if depth == 1:
                start = token.end()
        elif mark in b"]}" or mark == 0x2C:
            if depth == 1 and (piece := records[start : token.start()].strip()):
                found.append(piece)
            if mark != 0x2C:
                depth -= 1
            elif depth == 1:
                start = token.end()
    return found


def texts(records: bytes) -> list[bytes]:
    """The text of each record of the array."""
    try:
        return list(map(bytes, _array(records)))
    except (msgspec.DecodeError, RecursionError):
        return split(records)


def readable(raw: bytes) -> None:
    """Raise :class:`Unfit` for a record that no decoder reads, so that the others can be stored."""
    try:
        _array(b"[%b]" % raw)
    except RecursionError:
        raise Unfit("the record is nested too deeply to be read") from None
    except msgspec.DecodeError as error:
        lone = re.search(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}", raw)
        if lone:
            raise Unfit(
                f"the record holds text that is not valid Unicode (a lone surrogate, {lone.group().decode()})"
            ) from None
        raise Unfit(f"the record is not JSON: {error}") from None


def down(node: Node | None, segment: Segment) -> Node | None:
    """One name or index further; ``None`` where nothing is."""
    if node is None:
        return None
    inside = node.children
    if isinstance(inside, dict):
        return inside.get(str(segment))
    if isinstance(inside, list) and isinstance(segment, int):
        return inside[segment] if -len(inside) <= segment < len(inside) else None
    return None


def follow(node: Node | None, segments: Sequence[Segment]) -> Iterator[Node]:
    """Every node that the segments lead to: one at most without ``*``."""
    for at, segment in enumerate(segments):
        if isinstance(segment, Star):
            inside = node.children if node is not None else None
            for child in inside.values() if isinstance(inside, dict) else inside or ():
                yield from follow(child, segments[at + 1 :])
            return
        node = down(node, segment)
    if node is not None:
        yield node


@dataclass(frozen=True, slots=True)
class Element:
    """What becomes a row: where it stands, and what was passed on the way there."""

    node: Node
    passed: tuple[Node, ...]
    """The record, then the element of each ``*``."""
    keys: tuple[Cell, ...] = ()
    """The name or index that each ``*`` passed."""

    def at(self, path: Path) -> Node | None:
        """The node at ``path``; a path with ``*`` gives a list of what it finds."""
        start, segments = self.start(path)
        if path.stars:
            return Node(b"[" + b",".join(found.raw for found in follow(start, segments)) + b"]")
        return next(follow(start, segments), None)

    def all(self, path: Path) -> list[Node]:
        start, segments = self.start(path)
        return list(follow(start, segments))

    def start(self, path: Path) -> tuple[Node, Sequence[Segment]]:
        if path.segments and isinstance(up := path.segments[0], Up):
            return self.passed[up.level], path.segments[1:]
        return self.node, path.segments


def elements(record: Node, each: Path | None) -> Iterator[Element]:
    """The elements of a record that become rows; null ones are passed over.

    Raises :class:`Unfit` where ``*`` meets a scalar."""
    if each is None:
        yield Element(record, (record,))
        return
    yield from _spread(record, each.segments, (record,), (), each)


def _spread(
    node: Node | None, segments: Sequence[Segment], passed: tuple[Node, ...], keys: tuple[Cell, ...], each: Path
) -> Iterator[Element]:
    for at, segment in enumerate(segments):
        if node is None or node.is_null:
            return
        if not isinstance(segment, Star):
            node = down(node, segment)
            continue
        inside = node.children
        if inside is None:
            raise Unfit(f"each: {each} expects a list or an object where the record has {shown(node.cell())}")
        pairs: Iterator[tuple[Cell, Node]] = (
            iter(inside.items()) if isinstance(inside, dict) else ((Num(str(i)), x) for i, x in enumerate(inside))
        )
        for key, child in pairs:
            yield from _spread(child, segments[at + 1 :], (*passed, child), (*keys, key), each)
        return
    if node is not None and not node.is_null:
        yield Element(node, passed, keys)
