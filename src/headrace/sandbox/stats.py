"""What a sandbox was asked: ``/__stats``."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from typing import Any
from urllib.parse import urlsplit

from headrace.sandbox.http import Incoming

_SECRET_PARAMS = ("api_key", "apikey", "token", "access_token", "key")
_SECRET_HEADERS = ("x-rapidapi-key", "x-api-key", "authorization")


def hashed(secret: str) -> str:
    """What stands for a key in the statistics: the first 12 hex digits of its SHA-256."""
    return hashlib.sha256(secret.encode()).hexdigest()[:12]


def request_id(request: Incoming) -> str:
    """Method and target as sent, a hash of the body, and of the headers that paging uses; no key in it."""
    target = request.target
    if "?" in target:
        parts = urlsplit(target)
        kept = [
            f"{p.partition('=')[0]}=…" if p.partition("=")[0].lower() in _SECRET_PARAMS else p
            for p in parts.query.split("&")
        ]
        target = f"{parts.path}?{'&'.join(kept)}"
    text = f"{request.method} {target}"
    if cursor := request.headers.get("x-cursor"):
        text += f" x-cursor={cursor}"
    if request.body:
        text += f" #{hashlib.sha256(request.body).hexdigest()[:16]}"
    return text


class Stats:
    """Counts since the start or the last ``/__reset``; the sandbox's own ``/__…`` paths are left out."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.reset()

    def reset(self) -> None:
        self.requests = 0
        self.paths: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.exact: Counter[str] = Counter()
        self.whole: Counter[str] = Counter()
        self.keys: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.in_flight_max = self.in_flight
        self.connections = 0
        self.body_bytes = 0
        self.first: float | None = None
        self.last: float | None = None

    def came(self, request: Incoming) -> str:
        """Count a request; gives the id that :meth:`went` takes."""
        now = time.time()
        self.first = self.first or now
        self.last = now
        self.requests += 1
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight_max, self.in_flight)
        self.paths[request.path] += 1
        identity = request_id(request)
        self.exact[identity] += 1
        for name in _SECRET_HEADERS:
            if secret := request.headers.get(name):
                self.keys[hashed(secret.removeprefix("Bearer "))] += 1
        for name, value in request.pairs:
            if name.lower() in _SECRET_PARAMS:
                self.keys[hashed(value)] += 1
        return identity

    def went(self, identity: str, status: int | None, *, whole: bool, sent: int) -> None:
        """Count its answer; ``status`` is ``None`` when none was sent, ``whole`` when every byte was."""
        self.in_flight -= 1
        self.statuses[str(status or "none")] += 1
        self.body_bytes += sent
        self.last = time.time()
        if whole and status is not None and status < 400:
            self.whole[identity] += 1

    def as_dict(self, *, exact: bool = True) -> dict[str, Any]:
        """``repeated``: requests that had been made before, word for word; ``refetched``: whole good
        answers given more than once."""
        out: dict[str, Any] = {
            "requests": self.requests,
            "by_path": dict(self.paths),
            "by_status": dict(self.statuses),
            "distinct": len(self.exact),
            "repeated": self.requests - len(self.exact),
            "refetched": self.whole.total() - len(self.whole),
            "in_flight": self.in_flight,
            "in_flight_max": self.in_flight_max,
            "connections": self.connections,
            "body_bytes": self.body_bytes,
            "keys": dict(self.keys),
            "faults": dict(self.faults),
            "first": self.first,
            "last": self.last,
        }
        if exact:
            out["by_request"] = dict(self.exact)
        return out
