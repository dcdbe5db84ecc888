"""What a person does with the pages, with the keyboard alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser


def focused(page: Any) -> str:
    """The id of what has the focus, else its text."""
    return str(page.evaluate("(e => e.id || e.textContent.trim())(document.activeElement)"))


def tab_to(page: Any, wanted: str, limit: int = 80) -> None:
    """Press Tab until ``wanted`` has the focus; on the way, whatever has it shows so."""
    for _ in range(limit):
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", focused(page)
        if focused(page) == wanted:
            return
    raise AssertionError(f"{wanted} never has the focus")


def test_a_run_is_started_and_cancelled(look: Any, opened: Any, api: Any, pictures: Path) -> None:
    api.go.clear()
    stage = opened()
    seen = look(stage.url + "/")
    page = seen.page
    page.keyboard.press("Tab")
    assert focused(page) == "Skip to the content"
    tab_to(page, "All pipelines")
    page.keyboard.press("Enter")
    page.wait_for_url("**/ui/pipelines")
    tab_to(page, "slow")
    page.keyboard.press("Enter")
    page.wait_for_url("**/ui/pipelines/slow")
    tab_to(page, "field-1")
    page.keyboard.press("Control+A")
    page.keyboard.type("fr")
    tab_to(page, "start")
    page.keyboard.press("Enter")
    page.wait_for_url("**/ui/runs/*")
    run_id = page.url.rpartition("/")[2]
    # One page of the API has come and the next one waits: it is shown without the page being asked for again.
    page.locator(".tiles :text-is('40')").first.wait_for()
    page.locator("[role=status]:has-text('slow: Fetching all shows')").wait_for(state="attached")
    page.screenshot(path=pictures / "live-running.png", full_page=True)
    found = stage.store.get(run_id)
    assert found.inputs["country"] == "fr"
    seen.check()
    tab_to(page, "cancel")
    page.keyboard.press("Enter")
    api.go.set()
    assert stage.wait_for(run_id).status == "cancelled"
    page.locator("#resume").wait_for()
    seen.check()
    tab_to(page, "resume")
    page.keyboard.press("Enter")
    page.locator(".status.done >> text=Done").first.wait_for(timeout=60_000)
    assert stage.wait_for(run_id).status == "done"
    seen.check()


def test_the_answer_behind_a_row(look: Any, lived_in: Any, pictures: Path) -> None:
    seen = look(lived_in.url + "/ui/tables/warehouse/shows")
    page = seen.page
    tab_to(page, "Why? Where row 3 is from: id=2")
    page.keyboard.press("Enter")
    page.locator("#origin mark").wait_for()
    assert page.locator("#origin mark").inner_text().startswith('{"id": 2,')
    # Who asked by keyboard goes on where the answer stands.
    page.wait_for_selector("#why-title:focus")
    page.screenshot(path=pictures / "why-beside-rows.png")
    seen.check()


def test_what_runs_is_shown_while_it_runs(look: Any, opened: Any, api: Any) -> None:
    api.go.clear()
    stage = opened()
    with_runs = look(stage.url + "/ui/pipelines/slow").page
    with_runs.locator("#start").click()
    with_runs.wait_for_url("**/ui/runs/*")
    run_id = with_runs.url.rpartition("/")[2]
    seen = look(stage.url + "/")
    page = seen.page
    page.locator("#running >> text=40 rows").wait_for()
    api.go.set()
    stage.wait_for(run_id)
    page.locator("#running >> text=Nothing is running").wait_for()
    page.locator("#recent .status.done").wait_for()
    page.locator("#past canvas").first.wait_for()
    seen.check()


def test_filters_need_no_reload_and_no_script(look: Any, lived_in: Any, chromium: Any) -> None:
    seen = look(lived_in.url + "/ui/runs")
    page = seen.page
    page.locator("#status").select_option("failed")
    page.wait_for_url("**status=failed**")
    page.locator("#found .status.done").first.wait_for(state="detached")
    assert page.locator("#found .status.failed").count() >= 3
    seen.check()
    context = chromium.new_context(java_script_enabled=False)
    try:
        plain = context.new_page()
        plain.goto(lived_in.url + "/ui/runs")
        plain.locator("#status").select_option("failed")
        plain.locator("text=Filter").click()
        plain.wait_for_url("**status=failed**")
        assert plain.locator("#found .status.failed").count() >= 3
    finally:
        context.close()


def test_plots_are_drawn_from_their_tables(look: Any, lived_in: Any) -> None:
    seen = look(lived_in.url + "/ui/pipelines/shows")
    page = seen.page
    page.locator("[data-plot] canvas").nth(1).wait_for()
    drawn = page.locator("[data-plot] canvas").evaluate_all(
        "all => all.map(c => new Set(new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height)"
        ".data.buffer)).size)"
    )
    assert [count > 3 for count in drawn] == [True, True]
    page.locator("text=The same as a table").click()
    assert page.locator("#past-table tbody tr").count() == 60
    seen.check()


def test_motion_is_reduced_where_that_is_asked_for(look: Any, lived_in: Any) -> None:
    for asked, expected in (("no-preference", "flow"), ("reduce", "none")):
        page = look(lived_in.url + "/ui/runs/state-pulsing", reduced_motion=asked).page
        assert page.evaluate("getComputedStyle(document.querySelector('progress')).animationName") == expected


def test_ten_thousand_runs_open_at_once(look: Any, crowded: Any) -> None:
    """A page of runs takes the same time from the first to the last one: bounded rows, keyset, no count."""
    seen = look(crowded.url + "/ui/runs?pipeline=shows")
    page = seen.page
    for _ in range(5):
        assert page.locator("#found tbody tr").count() == 50
        page.get_by_role("link", name="Older").click()
        page.wait_for_url("**before=**")
    oldest = page.evaluate("fetch('/ui/runs?before=1~x').then(r => r.text()).then(t => t.includes('No run fits'))")
    assert oldest
    seen.check()
