"""Figures of all crashes, printed when everything is over."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from headrace.testing.crash import Figures


@dataclass
class Ledger:
    """What the tests found, added up."""

    figures: Figures = field(default_factory=Figures)
    over: list[int] = field(default_factory=list)
    """Requests made again after a kill beyond those in flight, by test."""

    def add(self, found: Figures, in_flight: int | None) -> None:
        self.figures += found
        if in_flight is not None:
            self.over.append(max(0, found.extra - in_flight))


_LEDGER = pytest.StashKey[Ledger]()


@pytest.fixture(scope="session")
def ledger(pytestconfig: pytest.Config) -> Ledger:
    return pytestconfig.stash.setdefault(_LEDGER, Ledger())


def pytest_unconfigure(config: pytest.Config) -> None:
    """After the summary, so that the figures are the last lines."""
    found = config.stash.get(_LEDGER, None)
    if found is None:
        return
    for name in ("kills", "rows_lost", "rows_doubled", "refetched_committed"):
        print(name, getattr(found.figures, name))
    print("max_extra_over_in_flight", max(found.over, default=0))
