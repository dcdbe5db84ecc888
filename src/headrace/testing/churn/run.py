"""What is remembered of one run, over all of its calls."""

from __future__ import annotations

from dataclasses import dataclass, field

from headrace.testing.simulate.cache import Disk


@dataclass
class Run:
    """One run: how it stands, and what it was given so far."""

    run_id: str
    scope: str
    began: int
    max_pages: int
    lies: bool
    status: str = "running"
    calls: int = 0
    pages: set[tuple[str, int]] = field(default_factory=set)
    """Slice and number of those that are committed."""
    stored: set[int] = field(default_factory=set)
    given: set[int] = field(default_factory=set)
    disk: Disk = field(default_factory=dict)
    misled: bool = False
    """The API gave nothing where it had something, or declared what it did not have."""

    unsure: bool = False
    """Something that it was given could not be stored."""
