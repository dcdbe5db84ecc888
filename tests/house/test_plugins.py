"""A paginator and a destination are one file each: a file in the folder, or an entry point; nothing else changes.

The files are those of the how-to pages.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.sandbox import Options, Sandbox, run_in_thread

DOCS = Path(__file__).parents[2] / "docs/extend"
PIPELINE = """
pipeline_id: plugged
source: {{base_url: "{url}"}}
steps:
  - step: parts
    processor: generic.api_extractor
    config:
      url: /styles/last-id
      params: {{limit: 30}}
      pagination: {{type: keyset, param: starting_after}}
      rate_limit: {{requests_per_second: 1000}}
      tables: [{{table: parts, key: [id], columns: {{id: id}}}}]
"""
PROGRAM = """
import sys
from pathlib import Path

for package in sys.argv[1:]:
    __import__(package)
    sys.modules[package].__path__.append(str(Path(package)))
import headrace
from headrace.destinations import from_url
from headrace.pipeline.reference import markdown
from headrace.pipeline.schema import json_schema

result = headrace.run("plugged.yml", destination="shelf:///films")
with from_url("shelf:///films").open(read_only=True) as session:
    rows = next(session.query("SELECT count(*) AS n, count(DISTINCT id) AS ids FROM parts")).to_pylist()
print(result.status, result.pages, result.destination, rows)
print("pagination: keyset" in markdown(), "Keyset" in json_schema()["$defs"])
"""


def block(page: str, name: str) -> str:
    """The file ``name`` of a how-to page."""
    found = re.search(rf"```\w+ file={re.escape(name)}\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)
    assert found is not None, f"{page} shows no {name}"
    return found[1]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with run_in_thread(Options(records=100)) as found:
        yield found


def run(folder: Path, sandbox: Sandbox, *packages: str) -> list[str]:
    (folder / "plugged.yml").write_text(PIPELINE.format(url=sandbox.url))
    environ = {"PYTHONPATH": str(folder), "SHELF": str(folder), "HEADRACE_STATE": str(folder / "state")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *packages], cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


EXPECTED = ["done 5 shelf:///films [{'n': 100, 'ids': 100}]", "True True"]


def test_a_file_in_the_folder_is_enough(tmp_path: Path, sandbox: Sandbox) -> None:
    for page, name, package in (
        ("paginator.md", "keyset.py", "headrace.sources.paginate"),
        ("destination.md", "shelf.py", "headrace.destinations"),
    ):
        (tmp_path / package).mkdir()
        (tmp_path / package / name).write_text(block(page, name))
    assert run(tmp_path, sandbox, "headrace.sources.paginate", "headrace.destinations") == EXPECTED


def test_an_entry_point_is_enough(tmp_path: Path, sandbox: Sandbox) -> None:
    for page, name in (("paginator.md", "keyset.py"), ("destination.md", "shelf.py")):
        (tmp_path / name).write_text(block(page, name))
    info = tmp_path / "acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[headrace.sources.paginate]\nkeyset = keyset\n[headrace.destinations]\nshelf = shelf\n"
    )
    assert run(tmp_path, sandbox) == EXPECTED


def test_without_the_file_the_kind_is_unknown(tmp_path: Path, sandbox: Sandbox) -> None:
    with pytest.raises(AssertionError, match=r"unknown.*keyset|keyset.*unknown|'keyset'"):
        run(tmp_path, sandbox)
