"""What a run's events make of its percentage."""

from __future__ import annotations

from headrace.core.events import BatchCommitted, PageFetched, StepFinished, StepStarted
from headrace.service.progress import Reporter


def committed(reporter: Reporter, records: int, total: int) -> float | None:
    """The percentage once a page of so many records has come, of an API that declares ``total``."""
    reporter.emit(PageFetched("r", "items", "", 1, records, 100, False))
    reporter.emit(BatchCommitted("r", "items", 1, {"items": records}, 2, 1, 0.01, total))
    found: float | None = reporter.fields()["progress"]
    return found


def test_it_never_falls_though_there_is_more_than_was_declared() -> None:
    reporter = Reporter("r")
    reporter.expect([("items", "Fetching items")])
    reporter.emit(StepStarted("r", "items", "Fetching items"))
    assert committed(reporter, 10, 20) == 50
    assert committed(reporter, 10, 200) == 50
    assert committed(reporter, 100, 200) == 60


def test_steps_weigh_what_they_took_the_last_time() -> None:
    reporter = Reporter("r")
    before = {"steps": [{"step": "items", "seconds": 3.0, "pages": 4}, {"step": "sums", "seconds": 1.0}]}
    reporter.expect([("items", "Fetching items"), ("sums", "Adding up")], before)
    reporter.emit(StepStarted("r", "items", "Fetching items"))
    reporter.emit(BatchCommitted("r", "items", 2, {"items": 2}, 3, 2, 0.01))
    assert reporter.fields()["progress"] == 37.5, "half of the pages of the step that took three quarters"
    reporter.emit(StepFinished("r", "items", "done", {"items": 4}, {}))
    assert reporter.fields()["progress"] == 75
