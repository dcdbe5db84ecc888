"""The API: lists of records behind a paging style, its faults, and an exact account of who asked for what."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from math import ceil
from random import Random
from urllib.parse import parse_qsl, urlsplit

from headrace.core.http import Pairs, Request
from headrace.crawl.fetch import DECODE_ASIDE
from headrace.testing.simulate.scenario import BASE, TOKEN_URL, Scenario

_PADDING = "x" * DECODE_ASIDE
_LIFE = 3
"""Seconds that a token is good for."""
_STATUSES = (408, 429, 500, 502, 503)


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back; ``lost``: the answer was made but does not arrive whole."""

    status: int
    body: bytes
    headers: Pairs = ()
    lost: bool = False


@dataclass
class Record:
    id: int
    name: str
    version: int

    def text(self, widens: bool) -> str:
        """Values are unique over the whole run, so that no page is another one by chance."""
        v = f'"{self.version}x"' if widens and self.version % 3 == 0 else str(self.version)
        return f'{{"id":{self.id},"name":"{self.name}","v":{v}}}'


@dataclass
class Api:
    """Its data outlives every process. Where it changes, records are changed in place or added at the end."""

    scenario: Scenario
    random: Random
    faults_left: int = 0
    faults: int = 0
    lists: dict[str, list[Record]] = field(default_factory=dict)
    initial: dict[str, int] = field(default_factory=dict)
    tokens: dict[str, float] = field(default_factory=dict)
    bodies: dict[str, Counter[bytes]] = field(default_factory=dict)
    """By slot, every body that was ever given with status 200."""
    versions: int = 0

    def __post_init__(self) -> None:
        s = self.scenario
        self.faults_left = s.faults
        if s.sliced == "rows":
            self.lists["parents"] = self._records(len(s.sizes), 0)
        for number, size in enumerate(s.sizes):
            stream = f"items/{number}" if s.sliced else "items"
            self.lists[stream] = self._records(size, 0 if s.overlapping else 1000 * number)
        self.initial = {stream: len(records) for stream, records in self.lists.items()}

    def _records(self, size: int, first: int) -> list[Record]:
        return [self._record(first + number) for number in range(size)]

    def _record(self, id: int) -> Record:
        self.versions += 1
        return Record(id, f"n{id}", self.versions)

    def fault(self) -> str | None:
        """Whether something goes wrong now, and what."""
        if not self.faults_left or self.random.random() >= self.scenario.fault_rate:
            return None
        self.faults_left -= 1
        self.faults += 1
        return self.random.choice(("status", "status", "refused", "reset", "cut", "mangled", "slow", "revoke"))

    def serve(self, request: Request, now: float, fault: str | None) -> Reply:
        """The answer at this instant."""
        if fault == "status":
            return self._refusal()
        if request.url == TOKEN_URL:
            return Reply(200, self._token(now), lost=fault in ("reset", "cut"))
        if fault == "revoke":
            self.tokens.clear()
        if self.scenario.oauth and not self._authorised(request, now):
            return Reply(401, b'{"error":"token"}')
        self._drift()
        reply = self._page(request)
        if reply.status == 200:
            self.bodies.setdefault(request.slot, Counter())[reply.body] += 1
        if fault == "mangled":
            return Reply(reply.status, reply.body[: len(reply.body) // 2], reply.headers)
        return Reply(reply.status, reply.body, reply.headers, lost=fault in ("reset", "cut"))

    def _refusal(self) -> Reply:
        status = self.random.choice(_STATUSES)
        wait = self.random.choice(("", "0", "1", "2.5"))
        return Reply(status, b"{}", (("retry-after", wait),) if wait else ())

    def _token(self, now: float) -> bytes:
        token = f"token-{self.random.getrandbits(64):016x}"
        self.tokens[f"Bearer {token}"] = now + _LIFE
        return json.dumps({"access_token": token, "expires_in": _LIFE}).encode()

    def _authorised(self, request: Request, now: float) -> bool:
        given = next((value for name, value in request.headers if name == "Authorization"), "")
        return self.tokens.get(given, 0.0) > now

    def _drift(self) -> None:
        """Change a record, or add one at the end; none is ever removed or moved."""
        if self.scenario.drift and self.random.random() < self.scenario.drift:
            stream = self.random.choice([name for name in self.lists if name != "parents"])
            records = self.lists[stream]
            if records and self.random.random() < 0.7:
                self.versions += 1
                self.random.choice(records).version = self.versions
            elif self.scenario.style != "none" and len(records) < self.initial[stream] + 6:
                records.append(self._record(records[0].id + len(records) if records else 900_000 + self.versions))

    def _page(self, request: Request) -> Reply:
        s = self.scenario
        parts = urlsplit(request.url)
        stream = parts.path[1:]
        given = dict(request.params) | dict(parse_qsl(parts.query))
        size = s.page_size if stream != "parents" or s.style != "none" else 100
        records = self.lists[stream]
        if s.style == "none":
            size = len(records) or 1
        if s.style == "page":
            start = (int(given["page"]) - 1) * size
        elif s.style == "offset":
            start, size = int(given["offset"]), min(size, int(given["limit"]))
        else:
            start = int(given.get("cursor", "c0")[1:])
        there = len(records) - (2 if s.lies and stream != "parents" else 0)
        found = records[start : min(start + size, there)]
        if s.ending == "404" and start and not found:
            return Reply(404, b"{}")
        after = start + len(found)
        envelope, headers = self._envelope(stream, start, after, there, len(records))
        if s.padded and not start:
            envelope += f',"pad":"{_PADDING}"'
        items = ",".join(record.text(s.widens) for record in found)
        return Reply(200, f'{{"items":[{items}]{envelope}}}'.encode(), headers)

    def _envelope(self, stream: str, start: int, after: int, there: int, total: int) -> tuple[str, Pairs]:
        s = self.scenario
        going_on = after < there
        link = f"{BASE}/{stream}?cursor=c{after}"
        parts: list[str] = []
        headers: Pairs = ()
        if s.style == "cursor":
            parts.append(f'"next":"c{after}"' if going_on else '"next":null')
        elif s.style == "link":
            parts.append(f'"next":"{link}"' if going_on else '"next":null')
        elif s.style == "header":
            headers = (("link", f'<{link}>; rel="next"' if going_on else f'<{link}>; rel="self"'),)
        if s.ending == "more":
            parts.append(f'"more":{"true" if going_on else "false"}')
        elif s.ending == "pages":
            parts.append(f'"pages":{ceil(there / s.page_size)}')
        if s.ending == "total" or s.lies:
            parts.append(f'"total":{total}')
        return "".join("," + part for part in parts), headers
