"""The records of an API: they come, go, come back, and move between groups."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from headrace.testing.churn.history import GROUPS


@dataclass
class Record:
    groups: str
    version: int


@dataclass
class Records:
    """What the API has at this moment. ``clock`` counts what has happened, and moves with nothing else; ``since`` tells
    how long a record has been in, or out of, its groups."""

    dice: Random
    clock: int = 0
    there: dict[int, Record] = field(default_factory=dict)
    gone: list[int] = field(default_factory=list)
    since: dict[int, int] = field(default_factory=dict)
    next_id: int = 1

    def add(self) -> None:
        self._come_back(self.next_id)
        self.next_id += 1

    def tick(self) -> int:
        self.clock += 1
        return self.clock

    def churn(self, share: float) -> None:
        """So many changes, and now and then a great loss."""
        r = self.dice
        for _ in range(round(share * len(self.there) + r.random() * 0.5)):
            self.change()
        if r.random() < 0.03:
            for id in r.sample(sorted(self.there), len(self.there) // 2):
                self._drop(id)

    def change(self) -> None:
        r = self.dice
        what = r.random()
        if what < 0.35 and self.there:
            self._drop(r.choice(sorted(self.there)))
        elif what < 0.55 and self.gone:
            self._come_back(self.gone.pop(r.randrange(len(self.gone))))
        elif what < 0.75:
            self.add()
        elif self.there:
            id = r.choice(sorted(self.there))
            self.there[id].version += 1
            if r.random() < 0.5:
                self.there[id].groups = self._groups()
                self.since[id] = self.tick()

    def _come_back(self, id: int) -> None:
        self.there[id] = Record(self._groups(), self.clock)
        self.since[id] = self.tick()

    def _drop(self, id: int) -> None:
        del self.there[id]
        self.gone.append(id)
        self.since[id] = self.tick()

    def _groups(self) -> str:
        return "".join(self.dice.sample(GROUPS, self.dice.choice((1, 1, 2))))

    def listed(self, groups: str) -> list[int]:
        """The ids in any of ``groups``, in order."""
        return [id for id in sorted(self.there) if set(self.there[id].groups) & set(groups)]
