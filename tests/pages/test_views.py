"""Words, forms and view models: plain data in, plain data out."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from headrace.core.errors import InputError
from headrace.pipeline.inputs import Input, collect
from headrace.service.pages import forms, words
from headrace.service.pages.history import history
from headrace.service.pages.live import Pace
from headrace.service.pages.views import check_views, event_views, run_view
from headrace.state.progress.contract import Request

SECOND = 1_000_000


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (0, "0 ms"), (0.34, "340 ms"), (0.9999, "1.0 s"), (4.2, "4.2 s"), (9.97, "10 s"), (59.6, "1 min"),
     (185, "3 min 5 s"), (3600, "1 h"), (7_800, "2 h 10 min"), (273_600, "3 d 4 h")],
)  # fmt: skip
def test_spans(seconds: float | None, text: str) -> None:
    assert words.span(seconds) == text


@pytest.mark.parametrize(
    ("before", "text"),
    [(2, "just now"), (30, "30 s ago"), (125, "2 min ago"), (7_300, "2 h ago"), (200_000, "2 d ago"), (-7_300, "in 2 h")],
)  # fmt: skip
def test_agos(before: int, text: str) -> None:
    now = 1_800_000_000 * SECOND
    assert words.ago(now - before * SECOND, now) == text


def test_figures() -> None:
    assert [words.number(n) for n in (None, 0, 12_345, 1.25, 99_999.6)] == ["–", "0", "12,345", "1.2", "100,000"]
    assert [words.percent(n) for n in (None, 0.4, 99.9, 100.0)] == ["", "0 %", "99 %", "100 %"]
    assert [words.size(n) for n in (812, 4_100, 999_960)] == ["812 B", "4.1 KB", "1.0 MB"]


def test_values_of_rows() -> None:
    moment = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
    assert words.text_of(moment) == "2026-01-02 03:04:05Z"
    assert words.text_of({"a": "é"}) == '{"a": "é"}'
    assert words.text_of(True) == "true"
    assert words.short("x" * 300)[-1] == "…"


INPUTS = {
    "name": Input(), "top": Input(type="int", required=False), "deep": Input(type="bool", default=True),
    "maybe": Input(type="bool", required=False), "kinds": Input(type="list", default=["a"], choices=["a", "b"]),
    "more": Input(type="map", required=False), "since": Input(type="date", required=False),
    "order": Input(default="asc", choices=["asc", "desc"]), "tags": Input(type="list", required=False),
}  # fmt: skip


def test_the_form_follows_the_declaration() -> None:
    made = {field.name: field for field in forms.fields(INPUTS, {})}
    assert next(iter(made)) == "name"
    assert {name: field.control for name, field in made.items()} == {
        "name": "text", "top": "number", "deep": "tick", "maybe": "choice", "kinds": "ticks", "more": "lines",
        "since": "date", "order": "choice", "tags": "text",
    }  # fmt: skip
    assert [name for name, field in made.items() if field.required] == ["name"]
    assert made["deep"].value == "true"
    assert made["kinds"].chosen == {"a"}
    assert made["order"].value == "asc"


def test_what_was_given_fills_the_form() -> None:
    given = {"name": "x", "more.a": "1", "more.b": 2, "kinds": ["b"], "deep": "false", "tags": ["u", "v"]}
    made = {field.name: field for field in forms.fields(INPUTS, given, {"top": "no"})}
    assert made["more"].value == "a=1\nb=2"
    assert made["kinds"].chosen == {"b"}
    assert made["deep"].value == "false"
    assert made["tags"].value == "u, v"
    assert made["top"].wrong == "no"


def test_a_sent_form_is_what_a_run_takes() -> None:
    sent = [
        ("in.name", " x "), ("in.top", ""), ("in.deep", "false"), ("in.deep", "true"), ("in.maybe", ""), ("in.kinds", ""),
        ("in.kinds", "b"), ("in.more", "a=1=2\n\nb=3"), ("in.tags", "u, v"), ("destination", "w"),
    ]  # fmt: skip
    found = forms.read(INPUTS, sent)
    assert found == {"name": "x", "deep": "true", "kinds": ["b"], "more.a": "1=2", "more.b": "3", "tags": "u, v"}
    taken = collect(INPUTS, found)
    assert taken["deep"] is True
    assert taken["more"] == {"a": "1=2", "b": "3"}
    assert taken["tags"] == ["u", "v"]
    assert forms.read(INPUTS, [("in.deep", "false")]) == {"deep": "false"}
    assert forms.read(INPUTS, [("in.kinds", "")]) == {"kinds": []}


def test_a_line_that_is_no_pair_is_refused() -> None:
    with pytest.raises(InputError, match="'oops' is not name=value"):
        forms.read(INPUTS, [("in.more", "a=1\noops")])


@pytest.mark.parametrize(
    ("message", "blamed"),
    [("missing: name", {"name": "needed"}), ("top: expected a whole number", {"top": "expected a whole number"}),
     ("unknown input 'x'", {}), ("other: no", {})],
)  # fmt: skip
def test_errors_find_their_field(message: str, blamed: dict[str, str]) -> None:
    assert forms.blamed(InputError(message), INPUTS) == blamed


def request(**changes: Any) -> Request:
    return Request(**{"request_id": "r", "pipeline": "p", "created_at": SECOND, **changes})


def test_a_run_that_nobody_knows_the_end_of_has_no_percentage() -> None:
    running = run_view(request(status="running", started_at=2 * SECOND), 5 * SECOND)
    assert (running.percent, running.seconds, running.active, running.can_resume) == (None, 3.0, True, False)
    assert run_view(request(status="done"), 0).percent == 100
    assert run_view(request(status="running", cancel=True), 0).word == "Stopping"


@pytest.mark.parametrize("status", ["failed", "partial", "suspect", "interrupted", "cancelled"])
def test_whatever_did_not_end_well_says_what_to_do(status: Any) -> None:
    view = run_view(request(status=status, remedy="headrace accept r" if status == "suspect" else ""), 0)
    assert view.remedy
    assert "headrace" not in view.remedy
    assert view.can_accept if status == "suspect" else view.can_resume


def test_a_detail_of_another_shape_breaks_nothing() -> None:
    for detail in ({}, {"steps": None}, {"steps": ["x", {}]}, {"steps": [{"step": "a", "rows": 3}]}):
        run_view(request(detail=detail), 0)


def test_steps_count() -> None:
    steps = [
        {"step": "a", "status": "running", "slices": 10, "slices_ended": 4, "rows": {"t": 3, "u": 4}},
        {"step": "b", "status": "running", "total": 200, "records": 50},
        {"step": "c", "status": "waiting"}, {"step": "d", "status": "done"}, {"step": "e", "status": "running"},
    ]  # fmt: skip
    view = run_view(request(status="running", detail={"steps": steps}), 0)
    assert [step.percent for step in view.steps] == [40, 25, 0, 100, None]
    assert (view.steps[0].rows, view.steps[0].slices) == (7, "4 of 10")
    ended = run_view(request(status="failed", detail={"steps": steps}), 0)
    assert [step.status for step in ended.steps] == ["failed", "failed", "queued", "done", "failed"]


def test_a_screen_reader_is_not_told_of_every_page() -> None:
    first = run_view(request(status="running", step="Fetching", rows=1, progress=1.0), 9)
    later = run_view(request(status="running", step="Fetching", rows=900, progress=60.0), 99)
    assert first.said == later.said == "p: Fetching"


def test_events_are_sentences_and_counts_are_none() -> None:
    said = event_views(
        [
            (1, {"type": "RunStarted", "resumed": True, "at": 7}),
            (2, {"type": "Progress", "rows": 3}),
            (3, {"type": "RecordsRejected", "table": "t", "count": 1, "reason": "no id"}),
            (4, {"type": "Unheard"}),
            (5, {"type": "RunFinished", "status": "failed"}),
        ]
    )
    assert [(event.at, event.text, event.level) for event in said] == [
        (0, "Ended: failed", "bad"),
        (0, "1 record kept in t_rejected: no id", "warn"),
        (7, "Resumed", "info"),
    ]


def test_of_a_check_the_latest_result_counts() -> None:
    def check(name: str, passed: bool) -> dict[str, Any]:
        return {
            "type": "QualityChecked",
            "check": name,
            "table": "t",
            "passed": passed,
            "result": 1,
            "severity": "fail",
        }

    found = check_views([(1, check("a", False)), (2, check("b", False)), (3, check("a", True))])
    assert [(each.name, each.passed) for each in found] == [("b", False), ("a", True)]


def test_history_counts_what_has_ended() -> None:
    runs = [
        run_view(request(status=status, started_at=SECOND, finished_at=(1 + seconds) * SECOND, rows=10), 0)
        for status, seconds in (("running", 0), ("done", 30), ("failed", 5), ("done", 10))
    ]  # fmt: skip
    found = history(runs)
    assert [run.seconds for run in found.runs] == [10, 5, 30]
    assert (found.done, found.seconds, found.rows) == (2, 20, 30)


def test_a_rate_needs_a_second_and_forgets() -> None:
    pace = Pace()
    assert pace.add(request(status="running"), 0) is None
    first = pace.add(request(status="running", rows=100, requests=2), 2 * SECOND)
    assert first is not None
    assert (first.rows, first.requests) == (50, 1)
    for second in range(3, 30):
        later = pace.add(request(status="running", rows=100), second * SECOND)
    assert later is not None
    assert later.rows == 0
    assert pace.add(request(status="done", rows=100), 31 * SECOND) is None
