"""Chromium, what it sees, and where its pictures go."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

AXE = (Path(__file__).parent / "vendor/axe.min.js").read_text()
VIEWS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1200, "height": 850}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1200, "height": 850}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}},
    "phone-dark": {"color_scheme": "dark", "viewport": {"width": 390, "height": 844}},
}


@dataclass
class Seen:
    """A page, what it asked for and what it complained of."""

    page: Any
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Nothing went wrong, nothing left this machine, axe finds nothing, nothing sticks out sideways."""
        page = self.page
        assert self.complaints == []
        assert [url for url in self.asked if urlsplit(url).hostname != "127.0.0.1"] == []
        wide = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        assert wide[0] <= wide[1], f"{wide[0]} wide in {wide[1]}"
        # Evaluated, not added as a script: the page's own policy forbids that, which is what it is for.
        page.evaluate(AXE)
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        told = [f"{v['id']}: {n['html']} {n['failureSummary']}" for v in found["violations"] for n in v["nodes"]]
        assert told == [], "\n\n".join(told[:5])


@pytest.fixture
def look(chromium: Any) -> Iterator[Callable[..., Seen]]:
    """Opens a page in a view of its own."""
    contexts: list[Any] = []

    def opened(url: str, view: str = "light", **options: Any) -> Seen:
        context = chromium.new_context(**{**VIEWS[view], **options})
        contexts.append(context)
        seen = Seen(context.new_page())
        seen.page.on("request", lambda request: seen.asked.append(request.url))
        seen.page.on("pageerror", lambda error: seen.complaints.append(str(error)))
        seen.page.on(
            "console", lambda said: seen.complaints.append(said.text) if said.type in ("error", "warning") else None
        )
        seen.page.goto(url)
        return seen

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The browser that ``$CHROMIUM`` or the PATH names."""
    from playwright.sync_api import sync_playwright

    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    assert path, "no Chromium: set CHROMIUM, or install it (Debian: apt install chromium)"
    flags = [
        "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    ]  # fmt: skip
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def pictures() -> Path:
    """Where what the browser shows is kept, to be looked at."""
    folder = Path(os.environ.get("PICTURES") or Path(__file__).parents[3] / "build/pictures")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
