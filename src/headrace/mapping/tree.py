"""The fields that a step's tables read, as one tree; compiled to the msgspec type that decodes a page.

What a field has been seen to hold decides how it is decoded: texts, integers and bools to Python, everything
else to its own text. A page that holds something new is refused, looked at, and the tree compiled again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from headrace.core.paths import Path, Segment, Star, Up
from headrace.mapping.walk import Node

Mode = Literal["none", "str", "int", "bool", "raw", "struct", "spread"]

_UNNAMEABLE = re.compile(r'["\\\x00-\x1f]')
_INTEGER = re.compile(rb"-?\d+")
_PYTHON: dict[str, Any] = {"str": str, "int": int, "bool": bool}


@dataclass(eq=False)
class Spot:
    """A place in the records."""

    parent: Spot | None = None
    name: str | None = None
    """The field of the parent; ``None`` for its ``*``."""
    kinds: set[str] = field(default_factory=set)
    """What was seen there: str, int, num, bool, object, list."""
    fields: dict[str, Spot] = field(default_factory=dict)
    star: Spot | None = None
    leaf: bool = False
    """A value is read here."""
    exact: bool = False
    """... by its own text, whatever it is."""
    open: bool = False
    """Every field is a column: an unknown one is refused."""

    mode: Mode = "none"
    attributes: dict[str, str] = field(default_factory=dict)
    nothing: Any = None
    """The Struct with no field given."""
    as_object: Callable[[bytes], Any] | None = None
    as_spread: Callable[[bytes], Any] | None = None

    def child(self, name: str) -> Spot:
        found = self.fields.get(name)
        if found is None:
            found = self.fields[name] = Spot(self, name)
        return found

    def below(self) -> Spot:
        """The spot of the elements that ``*`` passes."""
        if self.star is None:
            self.star = Spot(self)
        return self.star


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value is read: a spot that has one value for each element of ``level`` (0: the records)."""

    level: int
    spot: Spot
    rest: tuple[Segment, ...] = ()
    """What of the path is left: an index or ``*``."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where the rows of one table come from: ``anchors`` are the record and the element of each ``*``,
    ``element`` is what becomes a row."""

    anchors: tuple[Spot, ...]
    element: Spot

    def source(self, path: Path) -> Source:
        """The source of a column's path; its spots are added to the tree."""
        segments: Sequence[Segment] = path.segments
        level, spot = len(self.anchors) - 1, self.element
        if segments and isinstance(up := segments[0], Up):
            level, spot, segments = up.level, self.anchors[up.level], segments[1:]
        for at, segment in enumerate(segments):
            if not isinstance(segment, str):
                spot.leaf = spot.exact = True
                return Source(level, spot, tuple(segments[at:]))
            spot = spot.child(segment)
        spot.leaf = True
        return Source(level, spot)


def places(root: Spot, each: Path | None) -> Places | None:
    """The places of a table; ``None`` when ``each`` has an index, which is not compiled."""
    anchors, spot = [root], root
    for segment in each.segments if each is not None else ():
        if isinstance(segment, Star):
            spot = spot.below()
            anchors.append(spot)
        elif isinstance(segment, str):
            spot = spot.child(segment)
        else:
            return None
    return Places(tuple(anchors), spot)


def observe(spot: Spot, node: Node) -> None:
    """Note what a record holds at each place of the tree."""
    raw = node.raw
    head = raw[:1]
    if head == b"n":
        return
    if head == b'"':
        kind = "str"
    elif head == b"{":
        kind = "object"
    elif head == b"[":
        kind = "list"
    elif head in (b"t", b"f"):
        kind = "bool"
    else:
        kind = "int" if _INTEGER.fullmatch(raw) else "num"
    spot.kinds.add(kind)
    inside = node.children if spot.fields or spot.star else None
    if isinstance(inside, dict):
        for name, child in spot.fields.items():
            if name in inside:
                observe(child, inside[name])
    if spot.star is not None and inside is not None:
        for item in inside.values() if isinstance(inside, dict) else inside:
            observe(spot.star, item)


def compilable(spot: Spot) -> bool:
    """Whether a Struct can have these fields: msgspec takes no quotes, backslashes and control characters."""
    below = [*spot.fields.values(), *([spot.star] if spot.star is not None else [])]
    return not any(_UNNAMEABLE.search(name) for name in spot.fields) and all(map(compilable, below))


def compile_tree(spot: Spot) -> Any:
    """The msgspec type of a spot, leaving in each spot below how its values are read."""
    has_fields = bool(spot.fields) or spot.open
    struct = _struct(spot) if has_fields else None
    spread = _spread(spot.star) if spot.star is not None else None
    spot.as_object = _opener(struct, b"{") if struct is not None else None
    spot.as_spread = _opener(spread, b"{[") if spread is not None else None
    if not spot.kinds:
        spot.mode = "none"
        return None
    if not spot.leaf and not spot.exact:
        if struct is not None and spread is None and spot.kinds == {"object"}:
            spot.mode = "struct"
            return struct | None
        if spread is not None and struct is None and spot.kinds <= {"object", "list"}:
            spot.mode = "spread"
            return spread
    if struct is None and spread is None and not spot.exact and len(spot.kinds) == 1:
        kind = next(iter(spot.kinds))
        if kind in _PYTHON:
            spot.mode = kind  # type: ignore[assignment]  # str, int and bool are modes of the same name
            return _PYTHON[kind] | None
    spot.mode = "raw"
    return msgspec.Raw


def _struct(spot: Spot) -> Any:
    spot.attributes = {name: f"f{at}" for at, name in enumerate(spot.fields)}
    fields: list[Any] = []
    for name, child in spot.fields.items():
        of = compile_tree(child)
        fields.append((spot.attributes[name], of, msgspec.Raw() if of is msgspec.Raw else None))
    made = msgspec.defstruct(
        "Fields",
        fields,
        rename={attribute: name for name, attribute in spot.attributes.items()},
        forbid_unknown_fields=spot.open,
        gc=False,
        eq=False,
    )
    spot.nothing = made()
    return made


def _spread(star: Spot) -> Any:
    of: Any = compile_tree(star)
    return list[of] | dict[str, of] | None


def _opener(of: Any, heads: bytes) -> Callable[[bytes], Any]:
    decode = msgspec.json.Decoder(of).decode

    def open_(raw: bytes) -> Any:
        return decode(raw) if raw[:1] and raw[0] in heads else None

    return open_
