"""The page that describes the API asks nobody else for anything."""

from __future__ import annotations

import re
from typing import Any

from headrace.service.reference import STATIC


def test_the_page_and_its_parts_come_from_here(running: Any) -> None:
    page = running.client.get("/docs")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "unsafe" not in page.headers["content-security-policy"]
    parts = re.findall(r'(?:src|href)="(/[^"]+)"', page.text)
    assert len(parts) == 3
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page.text)
    assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=", page.text)
    for part in parts:
        assert running.client.get(part).status_code == 200, part
    assert running.client.get("/redoc").status_code == 404


def test_its_makers_are_named() -> None:
    assert "Apache License" in (STATIC / "swagger-ui.LICENSE.txt").read_text()
    assert (STATIC / "swagger-ui.NOTICE.txt").read_text()
