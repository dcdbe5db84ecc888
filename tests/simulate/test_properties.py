"""Random APIs, one style of paging after the other, with faults and kills: the tables equal the model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from headrace.sources.paginate.cursor import CursorPages
from headrace.sources.paginate.link import LinkPages
from headrace.sources.paginate.offset import OffsetPages
from headrace.sources.paginate.page import NumberedPages
from headrace.testing.simulate.run import play
from headrace.testing.simulate.scenario import _ENDINGS, Scenario, Style, draw


@st.composite
def scenarios(draw_one: st.DrawFn, style: Style) -> Scenario:
    """Without what ends a crawl early by intent: then the whole of the API has to be in the tables."""
    write: Any = draw_one(st.sampled_from(["append", "merge", "replace", "sync", "scd2"]))
    page_size = draw_one(st.integers(1, 4))
    sliced: Any = draw_one(st.sampled_from(["", "each", "rows"]))
    size = st.integers(0, 4 if style == "none" else page_size * 5)
    more = 0 if style in ("page", "none") else draw_one(st.integers(0, 1))
    return replace(
        draw(draw_one(st.integers(0, 1 << 32)), "model"),
        style=style,
        ending=draw_one(st.sampled_from(_ENDINGS[style])),
        page_size=page_size,
        limit=page_size + more,
        sizes=tuple(draw_one(st.lists(size, min_size=1 if not sliced else 2, max_size=1 if not sliced else 4))),
        sliced=sliced,
        overlapping=bool(sliced) and draw_one(st.booleans()),
        window=draw_one(st.integers(1, 5)),
        write=write,
        keyed=write in ("merge", "sync", "scd2") or draw_one(st.booleans()),
        faults=draw_one(st.sampled_from([0, 3, 15])),
        deaths=draw_one(st.sampled_from([0, 3, 30])),
        cache=draw_one(st.sampled_from(["kept", "lost", "none"])),
        lies=False,
        drift=0.0,
        incremental=False,
        page_limit=None,
        budget=None,
        max_pages=10_000,
        padded=False,
    )


def check(style: Style, examples: int) -> None:
    @settings(
        max_examples=examples, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(scenarios(style))
    def the_tables_equal_the_model(scenario: Scenario) -> None:
        outcome = play(scenario)
        event(outcome.status)
        assert outcome.violations == (), scenario.describe()
        assert outcome.status in ("done", "suspect")

    the_tables_equal_the_model()


@pytest.mark.parametrize("style", _ENDINGS)
def test_random_apis_faults_and_kills(style: Style) -> None:
    check(style, 60)


def skip_one(self: Any, answer: Any, at: Any) -> Any:
    """The position after the next."""
    return None if not answer.count else int(at) + 2


@pytest.mark.parametrize(
    ("style", "kind", "broken"),
    [
        ("cursor", CursorPages, lambda self, answer, at: None),
        ("page", NumberedPages, skip_one),
        ("offset", OffsetPages, lambda self, answer, at: None if not answer.count else int(at) + answer.count + 1),
        ("link", LinkPages, lambda self, answer, at: None),
    ],
)
def test_a_pager_that_loses_a_page_is_found_out(
    style: Style, kind: type, broken: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kind, "next", broken)
    with pytest.raises(AssertionError):
        check(style, 20)
