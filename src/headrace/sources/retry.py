"""Whether and when a request is sent again. Pure: no clock is read, nothing is sent."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from headrace.core.errors import RequestFailed
from headrace.core.http import Request, Response
from headrace.sources.ratelimit import RateLimit
from headrace.sources.retry_after import exhausted, reset_wait, retry_after

BASE, CAP = 1.0, 60.0
"""Seconds: the first backoff's upper bound, and the longest."""


class NotSent(RequestFailed):
    """No connection came about, so the server saw nothing of the request.

    ``heals`` is false where another attempt cannot help (a certificate that is not trusted).
    """

    def __init__(self, message: str, *, hint: str = "", heals: bool = True) -> None:
        super().__init__(message, hint=hint)
        self.heals = heals


@dataclass(frozen=True, slots=True)
class Retry:
    """Send again after ``wait`` seconds; ``limited``: everything of this credential waits as well."""

    wait: float
    reason: str
    limited: bool = False


def plan_retry(
    outcome: Response | RequestFailed, request: Request, limit: RateLimit, attempt: int, random: float
) -> Retry | None:
    """What follows attempt number ``attempt`` (from 1); ``None``: this outcome stands.

    ``random`` is uniform in [0, 1). A wait that the server asks for is kept to, however long: the caller compares
    it with ``limit.max_wait``.
    """
    if attempt > limit.max_retries:
        return None
    backoff = min(CAP, BASE * 2.0 ** (attempt - 1))
    if isinstance(outcome, RequestFailed):
        if not (request.safe or isinstance(outcome, NotSent)) or (isinstance(outcome, NotSent) and not outcome.heals):
            return None
        return Retry(backoff * random, outcome.message)
    limited = is_limited(outcome)
    if limited and not limit.retry_on_429:
        return None
    if not limited and not (outcome.status in (408, 425, 429) or outcome.status >= 500):
        return None
    if not (request.safe or limited or outcome.status == 503):
        return None
    asked = retry_after(outcome)
    if asked is None and limited:
        asked = reset_wait(outcome)
    wait = backoff * random
    if asked is not None or limited:
        # A server that says "now" while it refuses would have all attempts burnt within milliseconds.
        wait = max(asked or 0.0, wait if asked else backoff * (0.5 + random / 2))
    return Retry(wait, reason_of(outcome), limited or asked is not None)


def is_limited(response: Response) -> bool:
    """Whether the answer refuses for the rate alone: 429, or a 403 that says so in its headers (GitHub)."""
    return response.status == 429 or (
        response.status == 403 and (retry_after(response) is not None or exhausted(response))
    )


def reason_of(response: Response) -> str:
    """``503 Service Unavailable``."""
    try:
        return f"{response.status} {HTTPStatus(response.status).phrase}"
    except ValueError:
        return str(response.status)
