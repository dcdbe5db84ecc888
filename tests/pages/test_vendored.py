"""What others wrote and the pages send: named, licensed, and unchanged."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

from headrace.service.pages.render import STATIC

FOLDERS = [STATIC / "vendor", Path(__file__).parent / "browser/vendor"]


@pytest.mark.parametrize("folder", FOLDERS, ids=["pages", "axe"])
def test_every_file_is_in_the_manifest(folder: Path) -> None:
    packages = json.loads((folder / "manifest.json").read_text())["packages"]
    told = {name: digest for package in packages for name, digest in package["files"].items()}
    there = {path.name: path for path in folder.iterdir() if path.name != "manifest.json"}
    assert told.keys() == there.keys()
    for name, path in there.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == told[name], name
    for package in packages:
        assert re.fullmatch(r"\d+\.\d+\.\d+", package["version"])
        assert package["licence"] in ("0BSD", "MIT", "MPL-2.0")
        assert package["licence_file"] in package["files"]
        assert len((folder / package["licence_file"]).read_text()) > 500


def test_nothing_that_is_sent_asks_elsewhere() -> None:
    for path in STATIC.rglob("*"):
        if path.suffix in (".css", ".js", ".svg"):
            found = re.findall(r"""(?:url\(|@import|src=|fetch\()\s*["']?(?:https?:)?//""", path.read_text())
            assert found == [], path.name
