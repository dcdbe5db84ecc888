"""When an answer says to come back: ``Retry-After`` and the headers of rate limits, in every form seen."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

from headrace.core.http import Response

_PAIRS = (
    ("x-ratelimit-remaining", "x-ratelimit-reset"),
    ("x-ratelimit-remaining", "x-ratelimit-reset-after"),
    ("x-rate-limit-remaining", "x-rate-limit-reset"),
    ("ratelimit-remaining", "ratelimit-reset"),
    ("x-ratelimit-requests-remaining", "x-ratelimit-requests-reset"),  # RapidAPI
)
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_ITEMS = re.compile(r'(?:"[^"]*"|[^,"])+')
_OLD_FORM = re.compile(r"\b(remaining|reset)\s*=\s*(\d+)")
_POLICY = re.compile(r";\s*([rt])\s*=\s*(\d+)")
_EPOCH_MILLIS, _EPOCH_SECONDS = 1e11, 5e8  # above: the number is a date, not a distance

_NO_TIME = 1e15
"""Beyond the year 30000 in either unit: no clock gets there, and infinity has no JSON."""


def retry_after(response: Response) -> float | None:
    """Seconds that ``Retry-After`` asks for (0 for a past date), or ``None``."""
    value = response.header("retry-after").strip()
    return _seconds(value, response) if value else None


def quota_wait(response: Response) -> float | None:
    """Seconds until the quota is filled again when the answer says that nothing remains of it."""
    waits = [reset for remaining, reset in _quotas(response) if remaining == 0]
    return max(waits, default=None)


def reset_wait(response: Response) -> float | None:
    """Seconds until the quota is filled again, whatever remains (for an answer that is a refusal)."""
    used_up = quota_wait(response)
    if used_up is not None:
        return used_up
    return max((reset for _, reset in _quotas(response)), default=None)


def exhausted(response: Response) -> bool:
    """Whether the answer says that nothing remains of a quota, with or without a time."""
    headers = dict(response.headers)
    return quota_wait(response) is not None or any(
        (found := _NUMBER.match(headers.get(name, ""))) is not None and float(found[0]) == 0 for name, _ in _PAIRS
    )


def _quotas(response: Response) -> Iterator[tuple[float | None, float]]:
    """(what remains, seconds until the reset) of each quota that the answer describes."""
    headers: Mapping[str, str] = dict(response.headers)
    for remaining_name, reset_name in _PAIRS:
        value = headers.get(reset_name)
        seconds = _seconds(value.strip(), response) if value else None
        if seconds is not None:
            remaining = _NUMBER.match(headers.get(remaining_name, "").strip())
            yield (float(remaining[0]) if remaining else None), seconds
    if "ratelimit" not in headers:
        return
    for value in response.header_all("ratelimit"):
        old = {name: float(number) for name, number in _OLD_FORM.findall(value)}
        if "reset" in old:
            yield old.get("remaining"), old["reset"]
            continue
        for item in _ITEMS.findall(value):
            policy = {name: float(number) for name, number in _POLICY.findall(item)}
            if "t" in policy:
                yield policy.get("r"), policy["t"]


def _seconds(value: str, response: Response) -> float | None:
    if _NUMBER.fullmatch(value):
        number = min(float(value), _NO_TIME)
        if number > _EPOCH_MILLIS:
            number /= 1000
        return max(0.0, number - _server_time(response)) if number > _EPOCH_SECONDS else number
    if re.fullmatch(r"-\d+(?:\.\d+)?", value):
        return 0.0
    moment = _date(value)
    return None if moment is None else max(0.0, moment - _server_time(response))


def _server_time(response: Response) -> float:
    """Seconds since 1970 by the server's own clock, which its dates are meant by; ours may be off."""
    stated = _date(response.header("date"))
    return stated if stated is not None else response.fetched_at / 1e6


def _date(text: str) -> float | None:
    if not text:
        return None
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
