"""The API: it lists its records page by page while they change, and fails as it is told; it is the clock, too."""

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
from headrace.testing.churn.history import BASE, History
from headrace.testing.churn.records import Records

_EPOCH = 1_750_000_000_000_000
MISTAKE = "no number"
"""A value that the table cannot take."""


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
    """Transport and clock of a crawl: time passes with requests and changes only."""

    history: History
    dice: Random
    records: Records
    trouble: Trouble = field(default_factory=Trouble)
    asked: int = 0

    async def send(self, request: Request) -> Response:
        h, r, t = self.history, self.dice, self.trouble
        self.asked += 1
        if self.asked == t.stops_at:
            t.stop()
        if self.asked == t.dies_at:
            t.die()
            await asyncio.sleep(0)
        while r.random() < h.drift:
            self.records.change()
        self.records.tick()
        url = request.full_url
        group = urlsplit(url).path[1:]
        if self.asked == t.fails_at or (t.failing_group and group == t.failing_group):
            raise RequestFailed("the connection was refused")
        body = self._page(group, dict(parse_qsl(urlsplit(url).query)))
        return Response(200, (("content-type", "application/json"),), body, url, self.now(), 0.0)

    def _page(self, groups: str, given: Mapping[str, str]) -> bytes:
        h, size = self.history, self.history.page_size
        ids = [] if self.trouble.empty else self.records.listed(groups)
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
        return {"id": id, "v": MISTAKE if poisoned else self.records.there[id].version}

    async def close(self) -> None:
        """Nothing is open."""

    def now(self) -> int:
        return _EPOCH + self.records.clock * 1000

    def monotonic(self) -> float:
        return self.records.clock / 1000

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)

    def random(self) -> float:
        return self.dice.random()

    def random_bytes(self, n: int) -> bytes:
        return self.dice.randbytes(n)
