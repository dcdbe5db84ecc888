"""How much one sender may ask for: bytes of a body, seconds to send it, requests a second."""

from __future__ import annotations

import asyncio
import json
import math
import re
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.types import Message, Receive

from headrace.service.problems import Refusal

BODY_SECONDS = 20.0
"""From a request's headers to the end of its body."""
_MOST_SENDERS = 10_000
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class Buckets:
    """A bucket of tokens for each sender: ``rate`` a second, ``burst`` at once. Senders that have not been seen for
    long are forgotten, since their buckets are full again."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, sender: str) -> float:
        """Seconds until ``sender`` has a token; nothing is taken."""
        return max(0.0, (1 - self._now(sender)) / self._rate)

    def take(self, sender: str) -> float:
        """Take a token: 0, or the seconds after which there is one."""
        left = self._now(sender)
        if left < 1:
            return (1 - left) / self._rate
        self._left[sender] = (left - 1, self._clock())
        self._left.move_to_end(sender)
        if len(self._left) > _MOST_SENDERS:
            self._left.popitem(last=False)
        return 0.0

    def _now(self, sender: str) -> float:
        left, at = self._left.get(sender, (self._burst, self._clock()))
        return min(self._burst, left + (self._clock() - at) * self._rate)


def too_many(wait: float, what: str = "requests") -> Refusal:
    """429, with the seconds to wait."""
    return Refusal(
        429, f"too many {what}", hint="wait as Retry-After says", headers={"Retry-After": str(max(1, math.ceil(wait)))}
    )


async def whole_body(
    receive: Receive, declared: int | None, most: int, seconds: float = BODY_SECONDS, *, text: bool = False
) -> Receive:
    """Read a request's body and give it again. Raises Refusal: 413 for one of more than ``most`` bytes, 408 for one
    that is not there after ``seconds``, 422 for JSON (``text``) with half a surrogate pair: no answer could hold it."""
    if declared is not None and declared > most:
        raise _too_large(most)
    messages: list[Message] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            while True:
                message = await receive()
                messages.append(message)
                size += len(message.get("body", b""))
                if size > most:
                    raise _too_large(most)
                if message["type"] != "http.request" or not message.get("more_body", False):
                    break
    except TimeoutError:
        raise Refusal(408, f"the body did not come within {seconds:g} s", headers={"Connection": "close"}) from None
    if text:
        _check_text(b"".join(message.get("body", b"") for message in messages))
    messages.reverse()

    async def again() -> Message:
        return messages.pop() if messages else await receive()

    return again


def _check_text(body: bytes) -> None:
    try:
        text = body.decode()
        if "\0" in text:  # Python's JSON would take it for UTF-16
            raise ValueError("NUL")
        if _SURROGATE.search(text):
            json.dumps(json.loads(text), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise Refusal(422, "a text of the body holds half a surrogate pair (\\ud800 to \\udfff alone)") from None
    except (json.JSONDecodeError, RecursionError):
        pass  # whoever reads it says so
    except ValueError:
        raise Refusal(422, "the body is not UTF-8 text") from None


def _too_large(most: int) -> Refusal:
    return Refusal(
        413,
        f"the body is larger than {most:,} bytes",
        hint="max_body in the service's configuration allows more",
        headers={"Connection": "close"},
    )
