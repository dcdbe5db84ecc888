"""A small API on loopback: what a function answers, and what it was asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

from headrace.testing.loopback import Asked, Reply, listening

Answer: TypeAlias = tuple[bytes, int, Mapping[str, str]] | None
"""Body, status, headers; ``None`` is a 404. The content type is JSON unless the headers say."""
Handler: TypeAlias = Callable[[str, dict[str, str]], Answer]
"""From a path and the first value of each query parameter."""


@dataclass
class Api:
    """A running API. ``asked`` are the targets of its requests in order, ``headers`` what came with each."""

    url: str = ""
    asked: list[str] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)


@contextmanager
def serving(answer: Handler) -> Iterator[Api]:
    """Serve until the block ends."""
    api = Api()

    def reply(asked: Asked) -> Reply:
        api.asked.append(asked.target)
        api.headers.append(dict(asked.headers))
        body, status, headers = answer(asked.path, asked.query) or (b'{"message": "not found"}', 404, {})
        return Reply(body, status, tuple({"Content-Type": "application/json", **headers}.items()))

    with listening(reply) as api.url:
        yield api
