"""When a cron expression is due, and which make no sense."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

import pytest

from headrace.core.cron import check_cron, check_timezone, due_after

BERLIN = "Europe/Berlin"


def due(expression: str, after: str, count: int, zone: str = BERLIN) -> list[str]:
    """Moments in UTC as text, from ``after`` (UTC)."""
    found = islice(due_after(expression, zone, datetime.fromisoformat(after).replace(tzinfo=UTC)), count)
    return [at.strftime("%m-%d %H:%M") for at in found]


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("75 * * * *", "'75' is no minute: it takes 0-59"),
        ("* 24 * * *", "'24' is no hour"),
        ("0 0 0 * *", "'0' is no day of month"),
        ("0 0 * 13 *", "'13' is no month"),
        ("0 0 * * 8", "'8' is no day of week"),
        ("*/0 * * * *", "'\\*/0' is no minute"),
        ("5-1 * * * *", "'5-1' is no minute"),
        ("\u0663 * * * *", "is no minute"),
        ("? * * * *", "is no minute"),
        ("* * * * * *", "five fields"),
        ("@daily", "five fields"),
        ("", "five fields"),
        ("0 0 31 2,4 *", "never comes"),
    ],
)
def test_nonsense_is_named(expression: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_cron(expression)


@pytest.mark.parametrize(
    "expression",
    ["0 6 * * *", "*/7 1-5/2 1,15 JAN-MAR MON-FRI", "0 0 L * *", "0 0 29 2 *", "0 0 * * 1#2", "0 0 30 2 MON"],
)
def test_sense_is_taken(expression: str) -> None:
    assert check_cron(expression) == expression
    assert len(due(expression, "2026-01-01 00:00", 3)) == 3


@pytest.mark.parametrize("name", ["", "Mars/Base", "../../etc/passwd", "/etc/localtime", "America", "a\0b", "\u00e9"])
def test_there_is_no_such_zone(name: str) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        check_timezone(name)


def test_a_zone_that_is_nearly_right() -> None:
    with pytest.raises(ValueError, match="did you mean 'Europe/Berlin'"):
        check_timezone("europe/berlin")


def test_wall_time_stays_when_the_clocks_change() -> None:
    assert due("0 6 * * *", "2026-03-27 12:00", 3) == ["03-28 05:00", "03-29 04:00", "03-30 04:00"]
    assert due("0 6 * * *", "2026-10-23 12:00", 3) == ["10-24 04:00", "10-25 05:00", "10-26 05:00"]


def test_what_falls_into_the_hour_that_is_skipped_is_due_at_its_end_once() -> None:
    # On 29 March 2026 the clocks go from 02:00 to 03:00, which is 01:00 UTC.
    assert due("30 2 * * *", "2026-03-28 12:00", 2) == ["03-29 01:00", "03-30 00:30"]
    assert due("0,15,30 2,3 * * *", "2026-03-28 12:00", 4) == [
        "03-29 01:00",
        "03-29 01:15",
        "03-29 01:30",
        "03-30 00:00",
    ]


def test_the_hour_that_comes_twice_counts_once() -> None:
    # On 25 October 2026 the clocks go from 03:00 back to 02:00, which is 01:00 UTC.
    assert due("30 2 * * *", "2026-10-24 12:00", 2) == ["10-25 00:30", "10-26 01:30"]
    # Asked within its second coming, after the one that counted.
    assert due("30 2 * * *", "2026-10-25 01:10", 1) == ["10-26 01:30"]


def test_every_hour_goes_by_the_time_that_passes() -> None:
    for day in ("2026-03-28 20:00", "2026-10-24 20:00"):
        found = list(islice(due_after("0 * * * *", BERLIN, datetime.fromisoformat(day).replace(tzinfo=UTC)), 12))
        assert {after - before for before, after in pairwise(found)} == {timedelta(hours=1)}


@pytest.mark.parametrize("zone", ["UTC", BERLIN, "Australia/Lord_Howe", "America/New_York", "Asia/Kathmandu"])
@pytest.mark.parametrize("expression", ["*/20 * * * *", "10 2 * * *", "30 1,2,3 * * *", "45 */2 * * *", "0 0 1 * *"])
def test_each_next_one_is_what_the_whole_list_says(zone: str, expression: str) -> None:
    """Asked anew after each moment, as a service does, it gives what going on gives."""
    start = datetime(2026, 3, 20, tzinfo=UTC)
    whole = list(islice(due_after(expression, zone, start), 200))
    assert all(before < after for before, after in pairwise(whole))
    at = start
    for expected in whole[:60]:
        at = next(due_after(expression, zone, at))
        assert at == expected
    for before, expected in pairwise(whole):
        for share in (0.01, 0.5, 0.99):
            assert next(due_after(expression, zone, before + share * (expected - before))) == expected
