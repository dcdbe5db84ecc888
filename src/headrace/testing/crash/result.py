"""What was done to one cell's crawls, and what came of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from headrace.testing.crash.outcome import Figures


@dataclass
class Result:
    """What was done to the crawls of one destination and style, and what came of it."""

    destination: str
    style: str
    figures: Figures = field(default_factory=Figures)
    struck: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    """Strikes whose moment never came, such as the 200th write of a run that makes 150."""
    sweeps: dict[str, int] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    """Rows that a run leaves, by write mode."""
    violations: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def clean(self) -> bool:
        return self.figures.clean and not self.violations

    modes: dict[str, str] = field(default_factory=dict)
    """Table to write mode."""

    def by_mode(self) -> dict[str, tuple[int, int]]:
        """Rows lost and doubled by write mode."""
        found = dict.fromkeys(self.rows, (0, 0))
        for table, (lost, doubled) in self.figures.by_table.items():
            mode = self.modes.get(table, "")
            before = found.get(mode, (0, 0))
            found[mode] = (before[0] + lost, before[1] + doubled)
        return found
