"""What is tried again and how long after, with a clock whose sleeps take no time."""

from __future__ import annotations

import asyncio
import gzip
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from headrace.core.errors import AuthRefused, DecodeError, RequestFailed
from headrace.core.events import RequestRetried, RequestSent, Waiting
from headrace.core.http import Request, Response
from headrace.sources.ratelimit import RateLimit
from headrace.sources.retry import NotSent, Retry, plan_retry
from headrace.sources.retry_after import quota_wait, reset_wait, retry_after
from headrace.sources.throttle import Throttle

HEADERS = [
    "retry-after", "date", "ratelimit", "x-ratelimit-remaining", "x-ratelimit-reset", "ratelimit-reset", "x-ratelimit-reset-after",
]  # fmt: skip
NOW = 1_790_000_000
LIMIT = RateLimit(max_retries=9)
GET, UNSAFE = Request("GET", "http://a/"), Request("POST", "http://a/", safe=False)


def answered(status: int, /, **headers: str) -> Response:
    pairs = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Response(status, pairs, b"", "http://a/", NOW * 1_000_000)


def http_date(seconds: float) -> str:
    return format_datetime(datetime.fromtimestamp(NOW, UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 520, 599])
def test_what_may_heal_is_tried_again(status: int) -> None:
    assert plan_retry(answered(status), GET, LIMIT, 1, 0.5) is not None


@pytest.mark.parametrize("status", [300, 304, 400, 401, 402, 403, 404, 405, 409, 410, 422, 451])
def test_what_will_not_heal_stands(status: int) -> None:
    assert plan_retry(answered(status), GET, LIMIT, 1, 0.5) is None
    if status != 403:
        assert plan_retry(answered(status, retry_after="1"), GET, LIMIT, 1, 0.5) is None


def test_a_403_for_the_rate_alone_is_a_429() -> None:
    for headers in ({"retry_after": "60"}, {"x_ratelimit_remaining": "0", "x_ratelimit_reset": str(NOW + 60)}):
        assert plan_retry(answered(403, **headers), GET, LIMIT, 1, 0.5) == Retry(60, "403 Forbidden", limited=True)
    assert plan_retry(answered(403, x_ratelimit_remaining="12"), GET, LIMIT, 1, 0.5) is None


def test_requests_that_are_not_safe_are_tried_again_only_when_nothing_happened() -> None:
    for outcome, again in [
        (NotSent("refused"), True), (RequestFailed("reset"), False), (answered(429), True), (answered(503), True),
        (answered(500), False), (answered(502), False), (answered(408), False),
    ]:  # fmt: skip
        assert (plan_retry(outcome, UNSAFE, LIMIT, 1, 0.5) is not None) == again
        assert plan_retry(outcome, GET, LIMIT, 1, 0.5) is not None
    assert plan_retry(NotSent("certificate", heals=False), GET, LIMIT, 1, 0.5) is None


def test_retry_on_429_may_be_switched_off() -> None:
    limit = RateLimit(retry_on_429=False)
    assert plan_retry(answered(429, retry_after="1"), GET, limit, 1, 0.5) is None
    assert plan_retry(answered(503, retry_after="1"), GET, limit, 1, 0.5) is not None


def test_attempts_are_counted() -> None:
    assert plan_retry(answered(500), GET, RateLimit(max_retries=2), 2, 0.5) is not None
    assert plan_retry(answered(500), GET, RateLimit(max_retries=2), 3, 0.5) is None
    assert plan_retry(answered(500), GET, RateLimit(max_retries=0), 1, 0.5) is None


def test_backoff_doubles_with_full_jitter_up_to_the_cap() -> None:
    waits = [[plan_retry(answered(500), GET, LIMIT, n, r).wait for n in range(1, 9)] for r in (0.0, 0.5, 1.0)]  # type: ignore[union-attr]
    assert waits[0] == [0] * 8
    assert waits[1] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert waits[2] == [1, 2, 4, 8, 16, 32, 60, 60]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7), ("2.0", 2), ("0.25", 0.25), (" 3 ", 3), ("0", 0), ("-1", 0), (http_date(90), 90), (http_date(-5), 0),
        (str(NOW + 40), 40), (http_date(90).replace("GMT", "-0000"), 90), ("", None), ("soon", None), ("1e3", None),
    ],
)  # fmt: skip
def test_retry_after_in_every_form(value: str, seconds: float | None) -> None:
    assert retry_after(answered(429, retry_after=value)) == seconds


def test_a_date_is_read_by_the_servers_clock() -> None:
    ours_is_an_hour_off = answered(429, retry_after=http_date(3690), date=http_date(3600))
    assert retry_after(ours_is_an_hour_off) == 90
    assert reset_wait(answered(429, x_ratelimit_reset=str(NOW + 3610), date=http_date(3600))) == 10


@pytest.mark.parametrize("value", ["0", "-3", http_date(-60), http_date(0)])
def test_now_is_not_taken_at_its_word(value: str) -> None:
    for attempt, full in ((1, 1.0), (2, 2.0), (3, 4.0)):
        for random in (0.0, 0.99):
            retry = plan_retry(answered(429, retry_after=value), GET, LIMIT, attempt, random)
            assert retry is not None
            assert full / 2 <= retry.wait <= full
    assert plan_retry(answered(429, retry_after="2"), GET, LIMIT, 5, 0.5).wait == 8  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"x_ratelimit_remaining": "0", "x_ratelimit_reset": str(NOW + 30)}, 30),
        ({"x_ratelimit_remaining": "0", "x_ratelimit_reset": str((NOW + 30) * 1000)}, 30),
        ({"x_ratelimit_remaining": "0", "x_ratelimit_reset": "30"}, 30),
        ({"x_ratelimit_remaining": "0", "x_ratelimit_reset_after": "1.5"}, 1.5),
        ({"x_rate_limit_remaining": "0", "x_rate_limit_reset": str(NOW + 30)}, 30),
        ({"ratelimit_remaining": "0", "ratelimit_reset": "12"}, 12),
        ({"x_ratelimit_requests_remaining": "0", "x_ratelimit_requests_reset": "77"}, 77),
        ({"ratelimit": "limit=100, remaining=0, reset=30"}, 30),
        ({"ratelimit": '"default";r=0;t=30'}, 30),
        ({"ratelimit": '"a,b";r=50;t=9, "day";r=0;t=40,"x";t=5;r=0'}, 40),
        ({"ratelimit": '"default";r=0'}, None),
        ({"ratelimit": "limit=100, remaining=1, reset=30"}, None),
        ({"ratelimit": '"default";r=50;t=30'}, None),
        ({"x_ratelimit_remaining": "3", "x_ratelimit_reset": "30"}, None),
        ({"x_ratelimit_remaining": "0", "x_ratelimit_reset": "tomorrow"}, None),
        ({"x_ratelimit_remaining": "0", "x_ratelimit_reset": str(NOW - 5)}, 0),
        ({}, None),
    ],
)
def test_a_quota_that_is_used_up(headers: dict[str, str], wait: float | None) -> None:
    assert quota_wait(answered(200, **headers)) == wait


@given(st.dictionaries(st.sampled_from(HEADERS), st.text(max_size=40) | st.integers().map(str), max_size=4))
def test_no_header_is_too_odd(headers: dict[str, str]) -> None:
    response = Response(429, tuple(headers.items()), b"", "http://a/", NOW * 1_000_000)
    for wait in (retry_after(response), quota_wait(response), reset_wait(response)):
        assert wait is None or wait >= 0
    assert plan_retry(response, GET, LIMIT, 1, 0.5) is not None


def test_a_refusal_without_retry_after_waits_for_the_reset() -> None:
    assert plan_retry(answered(429, x_ratelimit_reset="45"), GET, LIMIT, 1, 0.5) == Retry(
        45, "429 Too Many Requests", limited=True
    )
    assert plan_retry(answered(503, x_ratelimit_reset="45"), GET, LIMIT, 1, 0.5) == Retry(
        0.5, "503 Service Unavailable"
    )


# Through the client, on real connections.

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def refusal(status: str, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", "Content-Length: 4", "Connection: close", *headers, "", "body"]).encode()


PACKED = gzip.compress(b"ok" * 50)
BROKEN = {
    "content-length": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
    "gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n" + PACKED[:-5],
    "500": refusal("500 Oops"),
    "429": refusal("429 Slow down"),
}


@pytest.mark.parametrize("how", BROKEN)
async def test_a_failure_then_an_answer(rig, raw, how: str) -> None:
    server = await raw(BROKEN[how], BROKEN[how], OK)
    client = rig.client()
    response = await client.fetch(Request("GET", server.url))
    assert response.body == b"ok"
    retries = rig.of(RequestRetried)
    assert [retry.attempt for retry in retries] == [1, 2]
    assert [retry.wait for retry in retries] == rig.clock.slept
    assert retries[0].url == server.url
    assert len(rig.of(RequestSent)) == client.requests == 3
    assert client.retries == 2


async def test_no_answer_at_all_then_an_answer(rig, raw) -> None:
    server = await raw(b"", b"", OK)
    assert (await rig.client().fetch(Request("GET", server.url))).body == b"ok"
    assert rig.of(RequestRetried)


async def test_a_reset_then_an_answer(rig, raw) -> None:
    server = await raw(BROKEN["content-length"], BROKEN["chunked"], OK, resets=2)
    assert (await rig.client().fetch(Request("GET", server.url))).body == b"ok"
    assert len(rig.of(RequestRetried)) == 2


async def test_the_last_failure_is_told_with_what_came(rig, raw) -> None:
    server = await raw(refusal("500 Oops"))
    with pytest.raises(RequestFailed, match=r"answered 500 Internal Server Error after 4 attempts: body") as caught:
        await rig.client().fetch(Request("GET", server.url))
    assert caught.value.status == 500
    assert caught.value.body == "body"
    server = await raw(BROKEN["gzip"])
    with pytest.raises(RequestFailed, match="failed after 4 attempts: the answer is truncated") as caught:
        await rig.client().fetch(Request("GET", server.url))
    assert caught.value.status is None


async def test_a_post_that_is_not_safe_is_sent_once(rig, raw) -> None:
    for script in (BROKEN["content-length"], BROKEN["500"]):
        server = await raw(script)
        with pytest.raises(RequestFailed):
            await rig.client().fetch(Request("POST", server.url, safe=False))
        assert len(server.heads) == 1
    server = await raw(BROKEN["429"], OK)
    assert (await rig.client().fetch(Request("POST", server.url, safe=False))).body == b"ok"


async def test_what_cannot_be_unpacked_is_not_asked_for_again(rig, raw) -> None:
    server = await raw(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok")
    with pytest.raises(DecodeError, match="not gzip") as caught:
        await rig.client().fetch(Request("GET", server.url))
    assert caught.value.place == f"GET {server.url}"
    assert len(server.heads) == 1


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("Retry-After: 7", 7), ("Retry-After: 2.5", 2.5), (f"Retry-After: {http_date(90)}\r\nDate: {http_date(0)}", 90),
        (f"X-RateLimit-Reset: {NOW + 11}\r\nDate: {http_date(0)}", 11), ('RateLimit: "default";r=0;t=30', 30),
        ("Retry-After: 0", 0.75), ("X-Nothing: 1", 0.75),
    ],
)  # fmt: skip
async def test_a_429_holds_back_the_whole_credential(rig, raw, header: str, wait: float) -> None:
    server = await raw(refusal("429 Slow down", header), OK)
    client = rig.client()
    start = rig.clock.time
    await client.fetch(Request("GET", server.url))
    assert rig.clock.time - start == pytest.approx(wait, abs=1e-3)
    (event,) = rig.of(Waiting)
    assert event.seconds == wait
    assert "429" in event.reason


async def test_without_retries_a_429_fails_and_says_what_to_set(rig, raw) -> None:
    server = await raw(refusal("429 Slow down", "Retry-After: 40"))
    with pytest.raises(RequestFailed, match="429 Too Many Requests: body") as caught:
        await rig.client(limit=RateLimit(max_retries=0)).fetch(Request("GET", server.url))
    assert "requests_per_second" in caught.value.hint
    assert rig.clock.slept == []


async def test_other_requests_wait_for_a_refusal_too(rig, raw, monkeypatch: pytest.MonkeyPatch) -> None:
    server = await raw(refusal("429 Slow down", "Retry-After: 40"), OK)
    release = asyncio.Event()
    asleep: list[float] = []

    async def sleep(seconds: float) -> None:
        asleep.append(seconds)
        await release.wait()
        rig.clock.time += seconds

    monkeypatch.setattr(rig.clock, "sleep", sleep)
    client = rig.client(limit=RateLimit(concurrency=2, requests_per_second=1000))
    first = asyncio.create_task(client.fetch(Request("GET", server.url)))
    while not asleep:
        await asyncio.sleep(0)
    second = asyncio.create_task(client.fetch(Request("GET", server.url)))
    async with asyncio.timeout(5):
        while len(asleep) < 2 and not second.done():
            await asyncio.sleep(0)
    assert asleep == [40, 40]
    assert len(server.heads) == 1
    release.set()
    await asyncio.gather(first, second)


async def test_a_refusals_own_wait_counts_not_the_quotas(rig, raw) -> None:
    server = await raw(
        refusal("429 Slow down", "Retry-After: 3", "X-RateLimit-Remaining: 0", "X-RateLimit-Reset: 60"), OK
    )
    start = rig.clock.time
    await rig.client().fetch(Request("GET", server.url))
    assert rig.clock.time - start == pytest.approx(3, abs=1e-3)


async def test_a_wait_beyond_the_longest_fails_and_says_what_to_do(rig, raw) -> None:
    server = await raw(refusal("429 Slow down", "Retry-After: 3600"))
    with pytest.raises(
        RequestFailed, match=r"asks to wait 3,600 s .*longer than rate_limit.max_wait \(900 s\)"
    ) as caught:
        await rig.client().fetch(Request("GET", server.url))
    assert "resume" in caught.value.hint
    assert len(server.heads) == 1
    assert rig.clock.slept == []


async def test_a_used_up_quota_is_waited_for_before_the_next_request(rig, serve) -> None:
    reset = ["25", "864000"]

    async def handler(request: web.Request) -> web.Response:
        return web.Response(headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset.pop(0) if reset else "0"})

    base = await serve(handler)
    client = rig.client()
    start = rig.clock.time
    await client.fetch(Request("GET", f"{base}/1"))
    assert rig.clock.time == start
    await client.fetch(Request("GET", f"{base}/2"))
    assert rig.clock.time - start == pytest.approx(25, abs=1e-3)
    # Ten days: a quota that the API may not enforce; it is asked, and says so if it does.
    await client.fetch(Request("GET", f"{base}/3"))
    assert rig.clock.time - start == pytest.approx(25, abs=1e-3)
    assert [event.reason for event in rig.of(Waiting)] == ["the API's quota is used up"]


async def test_a_403_that_is_no_rate_limit_is_refused_at_once(rig, raw) -> None:
    server = await raw(refusal("403 No"))
    with pytest.raises(AuthRefused):
        await rig.client().fetch(Request("GET", server.url))
    assert len(server.heads) == 1


async def test_a_refusal_slows_the_client_down_and_answers_speed_it_up(rig, raw) -> None:
    server = await raw(refusal("429 Slow down"), OK)
    limit = RateLimit(requests_per_second=10)
    throttle = Throttle(limit, rig.clock)
    client = rig.client(limit=limit, throttle=throttle)
    await client.fetch(Request("GET", server.url))
    slow = throttle.rate
    assert slow < 6
    await client.fetch(Request("GET", server.url))
    assert throttle.rate > slow
