"""The claim page is what the kept results say, and each of its commands is there to be run again."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def _load() -> Any:
    spec = importlib.util.spec_from_file_location("claims", ROOT / "docs/_build/claims.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CLAIMS = _load()


def test_the_page_is_current() -> None:
    assert CLAIMS.PAGE.read_text() == CLAIMS.page(), "run make claims"


def test_every_command_can_be_run_again() -> None:
    commands = re.findall(r"^`((?:make|python) [^`]+)`,", CLAIMS.page(), re.MULTILINE)
    assert len(commands) == CLAIMS.page().count("\n## ")
    makefile = (ROOT / "Makefile").read_text()
    groups = re.search(r"GROUPS = \((.*?)\)", (ROOT / "benchmarks/run.py").read_text(), re.DOTALL)
    assert groups is not None
    for command in commands:
        if made := re.match(r"make (\w+)", command):
            assert f"\n{made[1]}:" in makefile, command
            assert f'"{command.split()[-1].rstrip(chr(39))}"' in groups[1], command
        else:
            assert importlib.util.find_spec(command.split()[2]) is not None, command


def test_what_was_missed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = json.loads(CLAIMS.CRASH.read_text())
    found["figures"]["rows_lost"] = 3
    (tmp_path / "crash.json").write_text(json.dumps(found))
    monkeypatch.setattr(CLAIMS, "CRASH", tmp_path / "crash.json")
    assert "| `rows_lost` | 3 | 0: **missed** |" in CLAIMS.page()
