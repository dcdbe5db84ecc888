"""From pages that have come to rows that are ready for a commit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from headrace.core.errors import ContractBroken
from headrace.core.tables import SliceState
from headrace.crawl.fetch import Fetched
from headrace.crawl.variables import PageLookup
from headrace.mapping.mapper import Mapped, Mapper, PageText

TOGETHER = 1_000
"""Records of short pages that are mapped at once: half the cost of a hundred at a time, and more gain nothing."""
_MOST_BYTES = 2 << 20
_LONGEST_PAUSE = 64


@dataclass(frozen=True, slots=True)
class SliceEnded:
    """A slice that came to its end without a last page (it failed)."""

    state: SliceState
    size: int = 256


Item: TypeAlias = Fetched | SliceEnded


@dataclass(frozen=True, slots=True)
class Ready:
    """Items in the order of their stream, and what their pages became together."""

    items: Sequence[Item]
    mapped: Mapped | None


class Arrivals:
    """Maps the pages of a step, in order. ``refused`` is set by a page that breaks a contract: neither it nor any
    page behind it is mapped then."""

    def __init__(self, step: str, mapper: Mapper, lookup: PageLookup, slices: dict[str, SliceState]) -> None:
        self.refused: ContractBroken | None = None
        self._step, self._mapper, self._lookup, self._slices = step, mapper, lookup, slices
        self._pause = self._skipped = 0
        """Where pages have to be read one by one, trying them together is only tried again after a pause."""
        self._begun = False
        """A page was mapped: every variable that pages ask for was asked for, so it is known whether slices differ."""

    def map(self, items: Sequence[Item]) -> list[Ready]:
        ready: list[Ready] = []
        for chunk in _chunks(items, across=self._begun and not self._lookup.by_slice):
            self._begun = self._begun or not isinstance(chunk, SliceEnded)
            if isinstance(chunk, SliceEnded):
                ready.append(Ready([chunk], None))
                continue
            state = self._slices.get(chunk[0].at.key.slice)
            self._lookup.slice = state.params if state is not None else {}
            together = self._together(chunk)
            if together is not None:
                ready.append(Ready(_emptied(chunk), together))
                continue
            for page in chunk:
                try:
                    mapped = self._mapper.map(page.records, page_id=page.page_id, fetched_at=page.stamp)
                except ContractBroken as error:
                    place = f"step {self._step}" + (f", slice {page.at.key.slice}" if page.at.key.slice else "")
                    error.place = f"{place}, page {page.at.page_number}"
                    self.refused = error
                    return ready
                ready.append(Ready(_emptied([page]), mapped))
        return ready

    def _together(self, pages: Sequence[Fetched]) -> Mapped | None:
        if len(pages) == 1:
            return None
        if self._skipped < self._pause:
            self._skipped += 1
            return None
        mapped = self._mapper.map_together([PageText(p.records, p.count, p.page_id, p.stamp) for p in pages])
        self._skipped = 0
        self._pause = 0 if mapped is not None else min(max(1, 2 * self._pause), _LONGEST_PAUSE)
        return mapped


def _emptied(pages: Sequence[Fetched]) -> list[Item]:
    """The records have served: they are as long as what was made of them."""
    return [replace(page, records=b"") for page in pages]


def _chunks(items: Sequence[Item], *, across: bool) -> Iterator[list[Fetched] | SliceEnded]:
    """Neighbouring pages, of one slice unless ``across``, as many as are worth mapping together."""
    chunk: list[Fetched] = []
    rows = size = 0
    for item in items:
        fits = (
            isinstance(item, Fetched)
            and bool(chunk)
            and (across or item.at.key == chunk[0].at.key)
            and rows + item.count <= TOGETHER
            and size + len(item.records) <= _MOST_BYTES
        )
        if not fits:
            if chunk:
                yield chunk
            chunk, rows, size = [], 0, 0
        if isinstance(item, SliceEnded):
            yield item
        else:
            chunk.append(item)
            rows += item.count
            size += len(item.records)
    if chunk:
        yield chunk
