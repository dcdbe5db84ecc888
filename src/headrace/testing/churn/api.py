"""The API: records that come, go, come back, and move between groups, also while they are being read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from headrace.core.errors import RequestFailed
from headrace.core.http import Request, Response
from headrace.testing.churn.history import BASE, GROUPS, History

_EPOCH = 1_750_000_000_000_000
MISTAKE = "no number"
"""A value that the table cannot take."""


@dataclass
class Record:
    groups: str
    version: int
    poisoned: bool = False


@dataclass
class Trouble:
    """What goes wrong during one call: at its n-th request (1 is the first)."""

    fails_at: int = 0
    failing_group: str = ""
    stops_at: int = 0
    dies_at: int = 0
    lies: bool = False
    empty: bool = False
    stop: Callable[[], object] = lambda: None
    die: Callable[[], object] = lambda: None

    def __str__(self) -> str:
        named = ("fails_at", "failing_group", "stops_at", "dies_at", "lies", "empty")
        return " ".join(f"{name}={getattr(self, name)}" for name in named if getattr(self, name))


@dataclass
class Api:
    """Time passes with requests only; ``since`` tells how long a record has been in, or out of, its groups."""

    history: History
    dice: Random
    clock: int = 0
    records: dict[int, Record] = field(default_factory=dict)
    gone: list[int] = field(default_factory=list)
    since: dict[int, int] = field(default_factory=dict)
    next_id: int = 1
    trouble: Trouble = field(default_factory=Trouble)
    asked: int = 0

    def __post_init__(self) -> None:
        for _ in range(self.history.population):
            self._add()

    # -- what changes

    def tick(self) -> int:
        self.clock += 1
        return self.clock

    def churn(self, share: float) -> None:
        """So many changes, and now and then a great loss."""
        r = self.dice
        for _ in range(round(share * len(self.records) + r.random() * 0.5)):
            self.change()
        if r.random() < 0.03:
            for id in r.sample(sorted(self.records), len(self.records) // 2):
                self._drop(id)

    def change(self) -> None:
        r = self.dice
        what = r.random()
        if what < 0.35 and self.records:
            self._drop(r.choice(sorted(self.records)))
        elif what < 0.55 and self.gone:
            self._come_back(self.gone.pop(r.randrange(len(self.gone))))
        elif what < 0.75:
            self._add()
        elif self.records:
            id = r.choice(sorted(self.records))
            self.records[id].version += 1
            if r.random() < 0.5:
                self.records[id].groups = self._groups()
                self.since[id] = self.tick()

    def _add(self) -> None:
        self._come_back(self.next_id)
        self.next_id += 1

    def _come_back(self, id: int) -> None:
        self.records[id] = Record(self._groups(), self.clock)
        self.since[id] = self.tick()

    def _drop(self, id: int) -> None:
        del self.records[id]
        self.gone.append(id)
        self.since[id] = self.tick()

    def _groups(self) -> str:
        return "".join(self.dice.sample(GROUPS, self.dice.choice((1, 1, 2))))

    def listed(self, groups: str) -> list[int]:
        """The ids in any of ``groups``, in order."""
        return [id for id in sorted(self.records) if set(self.records[id].groups) & set(groups)]

    # -- the transport and the clock

    async def send(self, request: Request) -> Response:
        h, r, t = self.history, self.dice, self.trouble
        self.asked += 1
        if self.asked == t.stops_at:
            t.stop()
        if self.asked == t.dies_at:
            t.die()
            await asyncio.sleep(0)
        while r.random() < h.drift:
            self.change()
        self.tick()
        url = request.full_url
        group = urlsplit(url).path[1:]
        if self.asked == t.fails_at or (t.failing_group and group == t.failing_group):
            raise RequestFailed("the connection was refused")
        body = self._page(group, dict(parse_qsl(urlsplit(url).query)))
        return Response(200, (("content-type", "application/json"),), body, url, self.now(), 0.0)

    def _page(self, groups: str, given: Mapping[str, str]) -> bytes:
        h, size = self.history, self.history.page_size
        ids = [] if self.trouble.empty else self.listed(groups)
        document: dict[str, Any] = {}
        if h.ordered:
            after = int(given.get("cursor", 0))
            rest = [id for id in ids if id > after]
            found = rest[:size]
            going_on = len(rest) > size
            last = found[-1] if found else 0
            if h.style == "link":
                document["next"] = f"{BASE}/{groups}?cursor={last}" if going_on else None
            else:
                document["next"] = last if going_on else None
        else:
            start = (int(given["page"]) - 1) * size if h.style == "page" else int(given["offset"])
            found = ids[start : start + size]
            document["more"] = start + size < len(ids)
        document["total"] = len(ids) + (7 if self.trouble.lies else 0)
        document["items"] = [self._item(id) for id in found]
        return json.dumps(document).encode()

    def _item(self, id: int) -> dict[str, Any]:
        poisoned = self.dice.random() < self.history.poison
        return {"id": id, "v": MISTAKE if poisoned else self.records[id].version}

    async def close(self) -> None:
        """Nothing is open."""

    def now(self) -> int:
        return _EPOCH + self.clock * 1000

    def monotonic(self) -> float:
        return self.clock / 1000

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)

    def random(self) -> float:
        return self.dice.random()

    def random_bytes(self, n: int) -> bytes:
        return self.dice.randbytes(n)
