"""Time, randomness and ids behind one seam, so that a simulation can own them."""

from __future__ import annotations

import asyncio
import random
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Everything in a run that is not a function of its inputs."""

    def now(self) -> int:
        """Wall time, microseconds since 1970 UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...

    async def sleep(self, seconds: float) -> None: ...

    def random(self) -> float:
        """Uniform in [0, 1)."""
        ...

    def random_bytes(self, n: int) -> bytes: ...


def as_datetime(micros: int) -> datetime:
    """Microseconds since 1970 UTC, as :meth:`Clock.now` gives them, as a time in UTC."""
    return datetime.fromtimestamp(micros / 1_000_000, UTC)


class SystemClock:
    """The machine's clock and generator."""

    def now(self) -> int:
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def random(self) -> float:
        return random.random()  # noqa: S311 - jitter, not a secret

    def random_bytes(self, n: int) -> bytes:
        return random.randbytes(n)  # noqa: S311 - ids, not secrets


def new_run_id(clock: Clock) -> str:
    """A UUIDv7 (RFC 9562): sorts by the time it was made."""
    value = (clock.now() // 1000) << 80 | int.from_bytes(clock.random_bytes(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
