"""The values of one page, place by place: decoded once for all tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

import msgspec

from headrace.mapping.tree import Spot


class Refused(Exception):
    """The compiled path cannot say what the records (by index) become; the reference can."""

    def __init__(self, records: Sequence[int], *, decoding: bool = False) -> None:
        super().__init__(f"{len(records)} records")
        self.records = records
        self.decoding = decoding
        """Found by the decoder, hence the first such record of the page."""


class Spread:
    """The elements that ``*`` passed, with where each stood."""

    __slots__ = ("keys", "parents", "values")

    def __init__(self, containers: Sequence[Any]) -> None:
        self.values: list[Any] = []
        self.parents: list[int] = []
        self.keys: list[str | int] = []
        for at, container in enumerate(containers):
            if not container:
                continue
            self.parents += [at] * len(container)
            if isinstance(container, dict):
                self.keys += container
                self.values += container.values()
            else:
                self.keys += range(len(container))
                self.values += container


class Vectors:
    """The values of a page; each spot's are aligned with the elements of the ``*`` above it."""

    def __init__(self, root: Spot, records: list[Any]) -> None:
        self._root = root
        self._values: dict[Spot, list[Any]] = {root: list(map(bytes, records)) if root.mode == "raw" else records}
        self._objects: dict[Spot, list[Any]] = {}
        self._spreads: dict[Spot, Spread] = {}

    def values(self, spot: Spot) -> list[Any]:
        """As the spot's mode says; absent and null are ``None`` (or empty, or ``null``, in mode raw)."""
        found = self._values.get(spot)
        if found is None:
            parent = spot.parent
            assert parent is not None
            if spot.name is None:
                found = self.spread(parent).values
            elif parent.mode == "none":
                found = [None] * len(self.values(parent))
            else:
                found = list(map(attrgetter(parent.attributes[spot.name]), self.objects(parent)))
            if spot.mode == "raw":
                found = list(map(bytes, found))
            self._values[spot] = found
        return found

    def spread(self, spot: Spot) -> Spread:
        found = self._spreads.get(spot)
        if found is None:
            values = self.values(spot)
            if spot.mode == "raw":
                scalars = [i for i, raw in enumerate(values) if raw[:1] not in b"{[" and raw != b"null"]
                if scalars:
                    raise Refused([self.record(spot, i) for i in scalars])
                values = self._opened(spot, spot.as_spread, values)
            elif spot.mode not in ("spread", "none"):
                raise Refused([self.record(spot, i) for i, value in enumerate(values) if value is not None])
            found = self._spreads[spot] = Spread(values)
        return found

    def objects(self, spot: Spot) -> list[Any]:
        """The Structs; what is no object has no fields."""
        found = self._objects.get(spot)
        if found is None:
            found = self.values(spot)
            if spot.mode == "raw":
                found = self._opened(spot, spot.as_object, found)
            if None in found:
                found = [spot.nothing if value is None else value for value in found]
            self._objects[spot] = found
        return found

    def record(self, spot: Spot, at: int) -> int:
        """The record that the value at this place of a spot's vector belongs to."""
        while spot.parent is not None:
            if spot.name is None:
                at = self.spread(spot.parent).parents[at]
            spot = spot.parent
        return at

    def _opened(self, spot: Spot, opener: Callable[[bytes], Any] | None, values: list[bytes]) -> list[Any]:
        assert opener is not None
        found: list[Any] = []
        try:
            found.extend(map(opener, values))
        except msgspec.DecodeError:  # a ValidationError is one
            raise Refused([self.record(spot, len(found))]) from None
        return found
