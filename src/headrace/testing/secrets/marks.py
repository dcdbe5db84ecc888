"""Secrets that can be recognised wherever they turn up, and in whatever spelling."""

from __future__ import annotations

import base64
import random
import string
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

_CORE = 20
_AWKWARD = "/+&=\"'\\<>%#?~!"
"""What URLs, JSON, HTML, headers and base64 each spell differently."""
_ZSTD = b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True, slots=True)
class Leak:
    """``secret`` (its name) was found at ``where`` in a spelling; ``excerpt`` is what stood there."""

    secret: str
    where: str
    spelling: str
    excerpt: str


class Secrets:
    """Makes marked secrets, and searches for them.

    A secret is awkward characters between two random words. No escaping changes letters and digits, so the words
    alone are searched for, as they are (in any case), in base64 at each alignment, and in hexadecimal: a
    spelling that nobody thought of is found too, and so is half a secret.
    """

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)  # noqa: S311 - told apart by chance, not kept by it
        self.values: dict[str, str] = {}
        self._needles: list[tuple[str, str, bytes]] = []
        self.leaks: list[Leak] = []

    def new(self, name: str) -> str:
        """A new secret called ``name``, searched for from now on."""
        first, second = self._word(), self._word()
        self.values[name] = value = first + _AWKWARD + second
        for word in (first, second):
            self._needles += [(name, spelling, needle) for spelling, needle in _spellings(word)]
        return value

    def _word(self) -> str:
        letters = "".join(self._random.choices(string.ascii_letters + string.digits, k=_CORE - 2))
        return f"{letters[:9]}7q{letters[9:]}"  # of both kinds, as tokens are

    def search(self, where: str, data: str | bytes) -> None:
        """Add what is found in ``data`` to :attr:`leaks`; zstd frames in it are unpacked."""
        body = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
        self._search(where, body)
        for place, unpacked in _frames(body):
            self._search(f"{where}, zstd frame at {place}", unpacked)

    def _search(self, where: str, body: bytes) -> None:
        folded = body.lower()
        for name, spelling, needle in self._needles:
            hay = body if spelling == "base64" else folded
            at = hay.find(needle)
            if at >= 0:
                excerpt = body[max(0, at - 60) : at + 60].decode("utf-8", "replace")
                self.leaks.append(Leak(name, where, spelling, excerpt))

    def holds(self, name: str, data: str | bytes) -> bool:
        """Whether the secret called ``name`` stands in ``data`` as it is."""
        body = data.encode() if isinstance(data, str) else data
        return self.values[name].encode() in body


def _spellings(word: str) -> Iterator[tuple[str, bytes]]:
    yield "plain", word.lower().encode()
    yield "hexadecimal", word.encode().hex().encode()
    for offset in range(3):
        text = base64.b64encode(bytes(offset) + word.encode()).decode()
        inner = text[-(-8 * offset // 6) : (offset + len(word)) * 8 // 6]  # what no neighbour changes
        yield "base64", inner.encode()
        if inner != (safe := inner.replace("+", "-").replace("/", "_")):
            yield "base64", safe.encode()


def _frames(body: bytes) -> Iterator[tuple[int, bytes]]:
    import zstandard

    at = body.find(_ZSTD)
    while at >= 0:
        with suppress(zstandard.ZstdError):  # four bytes that happen to look like a frame
            yield at, zstandard.ZstdDecompressor().decompressobj().decompress(body[at:])
        at = body.find(_ZSTD, at + 1)
