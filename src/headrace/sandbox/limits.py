"""Rate limits as APIs keep them: a token bucket, and a fixed window; both tell what is left."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

Headers = list[tuple[str, str]]


def token_bucket(state: dict[str, float], params: Mapping[str, Any], now: float) -> tuple[float, Headers]:
    """Take one token. Gives (seconds to wait, 0 when it was there; headers)."""
    rate, burst = float(params["rate"]), float(params["burst"])
    held = min(burst, state.get("held", burst) + (now - state.get("at", now)) * rate)
    state["at"] = now
    wait = 0.0 if held >= 1 else (1 - held) / rate
    state["held"] = held = held - 1 if held >= 1 else held
    return wait, _headers(int(burst), int(held), (burst - held) / rate)


def fixed_window(state: dict[str, float], params: Mapping[str, Any], now: float) -> tuple[float, Headers]:
    """Count one request in its window. Gives the same as :func:`token_bucket`."""
    most, seconds = int(params["requests"]), float(params["seconds"])
    begin = math.floor(now / seconds) * seconds
    if state.get("begin") != begin:
        state["begin"], state["used"] = begin, 0
    wait = 0.0
    if state["used"] >= most:
        wait = begin + seconds - now
    else:
        state["used"] += 1
    return wait, _headers(most, int(most - state["used"]), begin + seconds - now)


def _headers(limit: int, left: int, reset: float) -> Headers:
    return [
        ("X-RateLimit-Limit", str(limit)),
        ("X-RateLimit-Remaining", str(max(left, 0))),
        ("X-RateLimit-Reset", str(math.ceil(reset))),
    ]
