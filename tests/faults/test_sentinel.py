"""The truncation sentinel: what it catches, what it says, and that it leaves healthy crawls alone."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.faults.conftest import Crawl, Ending

import headrace
from headrace.core.clock import SystemClock
from headrace.sandbox import Sandbox
from headrace.sandbox.styles import all_styles
from headrace.testing.api import serving

HEALTHY = [name for name in all_styles() if name != "error-in-200"]


def sized(crawl: Crawl, records: int, **config: Any) -> Crawl:
    """``crawl`` of that many records."""
    file = json.loads(crawl.file.read_text())
    step = file["steps"][0]["config"]
    step |= config
    step["url"] += f"?records={records}"
    crawl.file.write_text(json.dumps(file))
    return crawl


@pytest.mark.parametrize("style", HEALTHY)
def test_no_alarm_on_a_healthy_style(style: str, healthy: Mapping[str, Ending]) -> None:
    found = healthy[style]
    assert (found.status, found.exit_code) == ("done", 0), found
    assert len(found.appended) == len(found.merged) == (42 if style == "page-gaps" else 47)


@pytest.mark.parametrize("style", HEALTHY)
@pytest.mark.parametrize("records", [30, 0])
def test_no_alarm_when_the_last_page_is_full_or_the_only_one_empty(
    style: str, records: int, sandbox: Sandbox, tmp_path: Path
) -> None:
    """With three requests in flight where pages can be asked for ahead."""
    limit = {"requests_per_second": 10_000, "concurrency": 3}
    crawl = sized(Crawl(tmp_path, sandbox, style), records, rate_limit=limit)
    found = crawl.run()
    if style == "page-gaps":
        assert (found.status, len(found.merged)) == (("done", 27) if records else ("failed", 0))  # 404 on page 1
    else:
        assert (found.status, len(found.appended), len(found.merged)) == ("done", records, records), found


CAUGHT: list[tuple[str, str, dict[str, Any], str, str]] = [
    # fault, style, configuration, status, what is said
    ("wrong_has_more", "graphql", {}, "suspect", r"declared 47 records but gave 30.*leave out pagination.total_path"),
    ("vanishing_cursor", "cursor-more", {}, "failed", r"'next' leads nowhere on page 3, although 'has_more' says"),
    ("vanishing_cursor", "graphql-get", {}, "failed", r"although 'recordList.pageInfo.hasNextPage' says"),
    ("vanishing_cursor", "link-body", {}, "suspect", r"declared 47 records but gave 30"),
    ("repeated_page", "cursor-query", {}, "suspect", r"page 3 has the same records as page 2.*pagination.param"),
    ("repeated_page", "page-1", {}, "suspect", r"page 3 has the same records as page 2"),
    ("cursor_loop", "link-header", {}, "failed", r"page 4 is page 3 again: the same cursor and the same records"),
    ("wrong_total", "offset-total", {}, "suspect", r"declared 94 records but gave 47"),
    ("zero_rows", "offset-total", {}, "suspect", r"declared 47 records but gave 20"),
    ("zero_rows", "meta-rows", {}, "suspect", r"declared 47 records but gave 37"),
    ("zero_rows", "offset-more", {}, "suspect", r"an empty page, although 'more' says that there are more.*more_path"),
    ("drift_removal", "offset-total", {}, "suspect", r"declared 47 records but gave 44"),
    ("drift_removal", "link-body", {}, "suspect", r"declared 47 records but gave 44"),
    (
        "latency", "link-header", {"pagination": {"type": "none"}},
        "suspect", r'Link header with rel="next".*single_page: true',
    ),
    (
        "latency", "cursor-query", {"pagination": {"type": "none"}},
        "suspect", r"points to further pages: meta.next_cursor",
    ),
    (
        "latency", "offset-total", {"pagination": {"type": "page", "param": "p", "total_path": "total"}},
        "suspect", r"page 2 has the same records as page 1",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "style", "config", "status", "said"), CAUGHT)
def test_what_is_caught_is_said(
    fault: str,
    style: str,
    config: dict[str, Any],
    status: str,
    said: str,
    sandbox: Sandbox,
    tmp_path: Path,
) -> None:
    crawl = Crawl(tmp_path, sandbox, style, **config)
    crawl.fault(fault)
    found = crawl.run()
    assert (found.status, found.exit_code) == (status, {"suspect": 3, "failed": 1}[status]), found
    assert re.search(said, found.text, re.DOTALL), found.text


def test_a_page_parameter_that_never_arrives_is_said(sandbox: Sandbox, tmp_path: Path) -> None:
    """The same first page for ever: not a loop to the letter, since the position moves."""
    paging = {"type": "page", "param": "p"}
    found = Crawl(tmp_path, sandbox, "page-1", pagination=paging, max_pages=4).run()
    assert (found.status, found.exit_code) == ("partial", 3)
    assert "page 2 has the same records as page 1" in found.text


def test_a_doubt_survives_a_pause_and_is_settled_by_accept(sandbox: Sandbox, tmp_path: Path) -> None:
    crawl = Crawl(
        tmp_path,
        sandbox,
        "cursor-query",
        tables=[{"table": "appended", "columns": {"id": {"path": "id", "type": "string"}}, "write": "replace"}],
    )
    crawl.fault("repeated_page")
    assert crawl.run(max_pages=3).status == "partial"
    found = crawl.run()
    assert (found.status, found.exit_code) == ("suspect", 3)
    assert "page 3 has the same records as page 2" in found.text
    assert found.appended == [], "nothing takes the old table's place"
    asked = sandbox.stats()["requests"]
    assert crawl.run().status == "suspect", "calling again does not settle it"
    taken = headrace.accept("one", destination=crawl.url, state=crawl.state)
    assert (taken.status, taken.exit_code) == ("done", 0)
    assert len(crawl.ending("done", 0, "").appended) == 47
    assert sandbox.stats()["requests"] == asked
    assert crawl.run().status == "done"


def test_growth_behind_the_cursor_is_no_doubt(sandbox: Sandbox, tmp_path: Path) -> None:
    """New records come while a list is read by key: the total grows, and they are not to be seen."""
    crawl = Crawl(tmp_path, sandbox, "graphql")
    crawl.fault("drift")
    found = crawl.run()
    assert (found.status, len(found.appended)) == ("done", 47), found


def test_the_clock_of_these_tests_is_a_clock() -> None:
    """A seam that skips waiting must not go back."""
    from tests.faults.conftest import QuickClock

    clock = QuickClock()
    assert abs(clock.now() - SystemClock().now()) < 1_000_000
    assert clock.monotonic() <= clock.monotonic()


@pytest.mark.parametrize("paging", [{"type": "offset", "limit": 10}, {"type": "page", "param": "p"}])
def test_more_than_was_declared_is_no_end_that_can_be_trusted(
    paging: dict[str, Any], sandbox: Sandbox, tmp_path: Path
) -> None:
    """What stands at ``total_path`` counts something else, and the list goes on."""
    style = "offset-total" if paging["type"] == "offset" else "page-total"
    crawl = Crawl(tmp_path, sandbox, style, pagination={**paging, "total_path": "elsewhere"})
    file = json.loads(crawl.file.read_text())

    def answer(path: str, params: dict[str, str]) -> tuple[bytes, int, dict[str, str]]:
        at = int(params.get("offset", 10 * (int(params.get("p", 1)) - 1)))
        records = [{"id": str(number)} for number in range(at, min(at + 10, 47))]
        return json.dumps({"items": records, "elsewhere": 25}).encode(), 200, {}

    with serving(answer) as api:
        step = file["steps"][0]["config"]
        step |= {"url": f"{api.url}/x", "data_path": "items"}
        step.pop("base_url", None)
        crawl.file.write_text(json.dumps(file))
        found = crawl.run()
    assert (found.status, found.exit_code) == ("suspect", 3), found
    assert "declared 25 records, and 30 had come" in found.text
