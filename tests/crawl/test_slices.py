"""What a crawl is cut into."""

from datetime import UTC, datetime

import pytest

from headrace.core.errors import InputError
from headrace.crawl import slices


def test_each_gives_every_combination_with_a_name_of_its_own() -> None:
    found = list(slices.each({"country": ["us", "de"], "adult": [True, False]}))
    assert [s.name for s in found] == ["us/true", "us/false", "de/true", "de/false"]
    assert found[2].params == {"country": "de", "adult": True}
    assert [s.position for s in found] == [0, 1, 2, 3]


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_dates_are_half_open_and_the_last_ends_at_the_end() -> None:
    found = list(slices.dates(day("2026-01-01"), day("2026-01-10"), "4d"))
    assert [(s.params["start"], s.params["end"]) for s in found] == [
        ("2026-01-01", "2026-01-05"),
        ("2026-01-05", "2026-01-09"),
        ("2026-01-09", "2026-01-10"),
    ]
    assert found[0].params["start_unix"] == 1767225600


@pytest.mark.parametrize(
    ("start", "step", "ends"),
    [
        ("2026-01-31", "1m", ["2026-02-28", "2026-03-31", "2026-04-30"]),
        ("2024-02-29", "1y", ["2025-02-28", "2026-02-28"]),
        ("2026-12-15", "1m", ["2027-01-15"]),
        ("2026-01-01", "2w", ["2026-01-15", "2026-01-29"]),
    ],
)
def test_months_and_years_keep_to_the_calendar(start: str, step: str, ends: list[str]) -> None:
    found = list(slices.dates(day(start), day(ends[-1]), step))
    assert [s.params["end"] for s in found] == ends


def test_an_hour_shows_its_time() -> None:
    found = list(slices.dates(day("2026-01-01"), datetime(2026, 1, 1, 2, tzinfo=UTC), "1h"))
    assert [s.name for s in found] == ["2026-01-01", "2026-01-01T01:00:00Z"]


def test_an_empty_span_has_no_slice() -> None:
    assert list(slices.dates(day("2026-01-02"), day("2026-01-01"), "1d")) == []


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31", day("2026-01-31")),
        ("2026-01-31T12:00:00+02:00", datetime(2026, 1, 31, 10, tzinfo=UTC)),
        (1767225600, day("2026-01-01")),
        ("1767225600", day("2026-01-01")),
    ],
)
def test_dates_are_read_as_utc(text: str | int, moment: datetime) -> None:
    assert slices.parse_date(text, place="here") == moment


def test_what_is_no_date_says_where_and_what_to_write() -> None:
    with pytest.raises(InputError, match=r"slices.dates.from: 'soon' is not a date\n  write 2026-01-31"):
        slices.parse_date("soon", place="slices.dates.from")
