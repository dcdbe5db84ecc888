"""The high-water mark."""

import pytest

from headrace.core.errors import AnswerError
from headrace.core.paths import parse
from headrace.crawl import marks

PATH = parse("at.changed")


@pytest.mark.parametrize(
    ("records", "before", "after"),
    [
        (b"[]", "2026-01-01", "2026-01-01"),
        (b'[{"at":{"changed":"2026-01-03"}},{"at":{"changed":"2026-01-02"}}]', None, "2026-01-03"),
        (b'[{"at":{"changed":"2026-01-03"}}]', "2026-02-01", "2026-02-01"),
        (b'[{"at":{"changed":null}},{"at":{}},{}]', None, None),
        (b'[{"at":{"changed":5}},{"at":{"changed":7}}]', 6, 7),
    ],
)
def test_the_greatest_value_wins(records: bytes, before: object, after: object) -> None:
    assert marks.highest(records, PATH, before) == after


def test_values_without_an_order_are_an_error() -> None:
    with pytest.raises(AnswerError, match=r"incremental.cursor_path at.changed gives 5 after '2026'"):
        marks.highest(b'[{"at":{"changed":"2026"}},{"at":{"changed":5}}]', PATH, None)


@pytest.mark.parametrize(
    ("mark", "seconds", "back"),
    [
        (1_000, 60, 940),
        (1_780_000_000_000, 60, 1_779_999_940_000),
        ("2026-03-01", 86_400, "2026-02-28"),
        ("2026-03-01T00:30:00Z", 3_600, "2026-02-28T23:30:00Z"),
        ("2026-03-01T00:30:00+02:00", 3_600, "2026-02-28T23:30:00+02:00"),
        ("anything", 0, "anything"),
        (None, 60, None),
    ],
)
def test_looking_back_keeps_the_form_of_the_mark(mark: object, seconds: int, back: object) -> None:
    assert marks.look_back(mark, seconds) == back


def test_a_mark_that_is_no_date_cannot_be_looked_back_from() -> None:
    with pytest.raises(AnswerError, match="lookback cannot be taken from the mark 'v7'"):
        marks.look_back("v7", 60)
