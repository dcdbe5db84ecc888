"""Deterministic choices by index: the same on every machine and Python version."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")


class Draw:
    """A stream of choices that depends only on what it is made from."""

    __slots__ = ("_pool", "_seed", "_turn")

    def __init__(self, *seed: object) -> None:
        self._seed = repr(seed).encode()
        self._turn = 0
        self._pool = 1

    def below(self, n: int) -> int:
        """0 … n-1 (n at most 2^40)."""
        if self._pool.bit_length() < 64:
            digest = blake2b(self._seed, digest_size=64, salt=self._turn.to_bytes(8, "little")).digest()
            self._pool = int.from_bytes(digest, "little") | 1 << 512
            self._turn += 1
        self._pool, value = divmod(self._pool, n)
        return value

    def between(self, low: int, high: int) -> int:
        """``low`` … ``high``, both included."""
        return low + self.below(high - low + 1)

    def chance(self, percent: int) -> bool:
        return self.below(100) < percent

    def pick(self, items: Sequence[T]) -> T:
        return items[self.below(len(items))]

    def some(self, items: Sequence[T], least: int, most: int) -> list[T]:
        """Between ``least`` and ``most`` different items, in a drawn order."""
        rest = list(items)
        return [rest.pop(self.below(len(rest))) for _ in range(min(self.between(least, most), len(rest)))]
