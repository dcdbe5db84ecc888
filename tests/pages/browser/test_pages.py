"""Every page in every state, in a real browser: it renders, stays inside, speaks to everybody, and fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser

STATES = {
    "empty-overview": ("empty", "/"),
    "empty-runs": ("empty", "/ui/runs"),
    "empty-tables": ("empty", "/ui/tables"),
    "empty-quality": ("empty", "/ui/quality"),
    "empty-schedules": ("empty", "/ui/schedules"),
    "schedules": ("lived_in", "/ui/schedules"),
    "missing-run": ("lived_in", "/ui/runs/nothing"),
    "login": ("lived_in", "/ui/login"),
    "quality": ("lived_in", "/ui/quality"),
    "pipelines": ("lived_in", "/ui/pipelines"),
    "start": ("lived_in", "/ui/pipelines/shows"),
    "start-like": ("lived_in", "/ui/pipelines/shows?like=past-00003"),
    "overview": ("lived_in", "/"),
    "runs": ("lived_in", "/ui/runs"),
    "runs-failed": ("lived_in", "/ui/runs?status=failed"),
    "runs-none": ("lived_in", "/ui/runs?pipeline=github&status=partial"),
    "crowded-overview": ("crowded", "/"),
    "crowded-runs": ("crowded", "/ui/runs"),
    "run-running": ("lived_in", "/ui/runs/state-running"),
    "run-pulsing": ("lived_in", "/ui/runs/state-pulsing"),
    "run-queued": ("lived_in", "/ui/runs/state-queued"),
    "run-failed": ("lived_in", "/ui/runs/state-failed"),
    "run-suspect": ("lived_in", "/ui/runs/state-suspect"),
    "run-done": ("lived_in", "/ui/runs/state-done"),
    "run-cancelled": ("lived_in", "/ui/runs/state-cancelled"),
    "tables": ("lived_in", "/ui/tables"),
    "table": ("lived_in", "/ui/tables/warehouse/shows"),
    "table-none": ("lived_in", "/ui/tables/warehouse/shows?column=id&value=x"),
    "why": ("lived_in", "/ui/tables/warehouse/shows/why?key=id%3D3"),
}


@pytest.mark.parametrize(
    ("state", "view"),
    [(state, view) for state in STATES for view in ("light", "dark", "phone")]
    + [(state, "phone-dark") for state in ("overview", "run-failed", "start", "table")],
)
def test_page(state: str, view: str, look: Any, pictures: Path, request: pytest.FixtureRequest) -> None:
    name, path = STATES[state]
    stage = request.getfixturevalue(name)
    seen = look(stage.url + path, view)
    seen.page.locator("[hx-trigger^=load] :text('Looking…')").wait_for(state="detached")
    seen.page.screenshot(path=pictures / f"{state}-{view}.png", full_page=True)
    if state.startswith("missing"):
        seen.complaints = [said for said in seen.complaints if "404" not in said]  # that is what the page is about
    seen.check()
    assert seen.page.title() != "taken"
