"""What a crawl is called at its end."""

import pytest

from headrace.crawl.completeness import collapse, verdict
from headrace.crawl.context import LastComplete
from headrace.crawl.fetch import Ended

DOUBT = [("seen", "remedy")]


@pytest.mark.parametrize(
    ("ended", "failed", "doubts", "status"),
    [
        (["done"], 0, [], "done"),
        (["done", "done"], 0, DOUBT, "suspect"),
        (["done", "capped"], 0, DOUBT, "partial"),
        (["paused"], 0, [], "partial"),
        (["budget", "done"], 0, [], "partial"),
        (["done", "stopped", "capped"], 0, DOUBT, "interrupted"),
        (["done", "stopped"], 1, DOUBT, "failed"),
    ],
)
def test_the_worst_end_names_the_run(
    ended: list[Ended], failed: int, doubts: list[tuple[str, str]], status: str
) -> None:
    assert verdict(ended, failed, doubts)[0] == status


def test_nothing_where_there_was_something_is_suspicious() -> None:
    assert collapse(0, LastComplete("run-1", 1200)) is not None
    assert collapse(0, LastComplete("run-1", 0)) is None
    assert collapse(0, None) is None
    assert collapse(1, LastComplete("run-1", 1200)) is None
