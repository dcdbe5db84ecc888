"""The account of a simulated run: what was asked for, answered and committed, and what of it must never happen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from headrace.core.tables import Group
from headrace.crawl.extract import FINISHED
from headrace.testing.simulate.scenario import Scenario

if TYPE_CHECKING:
    from headrace.testing.simulate.process import Process

Stream = tuple[str, str]
"""Step and slice."""


class Account:
    """Hands every broken promise to ``violate``, as soon as it is broken."""

    def __init__(self, scenario: Scenario, concurrency: int, violate: Callable[[str], None]) -> None:
        self._exact = scenario.cache != "none" and scenario.overlap == 0
        self._concurrency = concurrency
        self._violate = violate
        self.committed: dict[Stream, int] = {}
        self.ended: set[Stream] = set()
        self.served: Counter[str] = Counter()
        self.again: Counter[str] = Counter()
        """How often the answer to a request may be asked for once more."""
        self.committing: Group | None = None

    def asked(self, process: Process, slot: str) -> None:
        """A page's request leaves."""
        step, slice, number = slot.split("/")
        stream = step, slice
        alone = not process.overlapped
        committed = self.committed.get(stream, 0) if alone else process.found.get(stream, 0)
        ended = stream in (self.ended if alone else process.found_ended)
        if int(number) <= committed or ended:
            self._violate(f"page {slot} was asked for again, {committed} pages are committed")
        if len(process.open) > self._concurrency:
            self._violate(f"{len(process.open)} requests in flight")

    def answered(self, key: str, slot: str) -> None:
        """A whole answer was made."""
        self.served[key] += 1
        if self._exact and self.served[key] > 1 + self.again[key]:
            self._violate(f"{slot} was answered {self.served[key]} times, with {self.again[key]} reasons to ask again")

    def applied(self, process: int) -> None:
        """The commit that was under way is in the database."""
        group, self.committing = self.committing, None
        assert group is not None
        for advance in group.advances:
            key, at = advance.at.key, advance.at
            stream = key.step, key.slice
            before = self.committed.get(stream, 0)
            expected = advance.expected.page_number if advance.expected is not None else 0
            if stream in self.ended:
                self._violate(f"checkpoint {stream}: process {process} moved it after its end")
            if key.slice != FINISHED and (expected != before or at.page_number < before):
                self._violate(
                    f"checkpoint {stream}: a commit moved it from {before} to {at.page_number}, but knew {expected}"
                )
            numbers = [p.page_number for p in group.pages if (p.step, p.slice) == stream]
            if key.slice != FINISHED and numbers != list(range(before + 1, at.page_number + 1)):
                self._violate(f"checkpoint {stream}: moved from {before} to {at.page_number} with pages {numbers}")
            self.committed[stream] = at.page_number
            if at.done:
                self.ended.add(stream)
