"""Nothing that a user can name is left out of the docs: commands, kinds, links, decisions."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from headrace.cli.main import COMMANDS
from headrace.core.contracts import Auth, Decoder, Destination, Paginator
from headrace.core.kinds import menu
from headrace.steps.base import processors
from headrace.steps.checks._base import Check

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def _build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_pages_complete", DOCS / "_build/pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["docs_pages_complete"] = module
    spec.loader.exec_module(module)
    return module


BUILD = _build()
MENUS = [
    ("guide/paging.md", "headrace.sources.paginate", Paginator),
    ("guide/auth.md", "headrace.sources.auth", Auth),
    ("guide/answers.md", "headrace.sources.decode", Decoder),
    ("destinations.md", "headrace.destinations", Destination),
    ("guide/quality.md", "headrace.steps.checks", Check),
]


def headings(page: str) -> list[str]:
    return [line.lstrip("# ").strip("`") for line in (DOCS / page).read_text().splitlines() if line.startswith("## ")]


def built_in(package: str, base: type) -> list[str]:
    return [name for name, kind in menu(package, base).items() if kind.__module__.startswith("headrace.")]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_has_its_help_and_an_example_that_runs(command: str) -> None:
    text = (DOCS / "commands.md").read_text()
    section = re.search(rf"^## {command}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert section is not None, f"docs/commands.md has no section '## {command}'"
    assert f"<!-- help: {command} -->" in section[1]
    assert any(f"headrace {command}" in fence.text for fence in BUILD.fences(section[1]) if fence.language == "bash")


@pytest.mark.parametrize(("page", "package", "base"), MENUS, ids=[page for page, _, _ in MENUS])
def test_a_kind_has_its_heading(page: str, package: str, base: type) -> None:
    kinds = built_in(package, base)
    assert kinds
    assert [kind for kind in kinds if kind not in headings(page)] == []


def test_a_step_has_its_place() -> None:
    text = "\n".join(page.read_text() for page in (DOCS / "guide").glob("*.md"))
    ours = [name for name, kind in processors().items() if kind.__module__.startswith("headrace.")]
    assert [name for name in ours if f"`{name}`" not in text] == []


def test_the_reference_has_every_key_of_the_schema() -> None:
    from headrace.pipeline.reference import markdown
    from headrace.pipeline.schema import json_schema

    text = markdown()
    definitions = json_schema()["$defs"]
    missing = [
        f"{model}.{key}"
        for model, body in definitions.items()
        for key in body.get("properties", {})
        if f"`{key}`" not in text
    ]
    assert missing == []
    assert json.dumps(definitions)


def test_help_of_every_command_can_be_rendered() -> None:
    page = BUILD.on_page_markdown((DOCS / "commands.md").read_text())
    for command in COMMANDS:
        assert f"Usage: headrace {command}" in page
    assert "<!-- help" not in page


def test_links_between_pages_lead_somewhere() -> None:
    broken = []
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md")]:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
            path = target.partition("#")[0]
            if path and "://" not in path and path not in ("reference.md", "../reference.md"):
                broken += [f"{page.name}: {target}"] if not (page.parent / path).exists() else []
    assert broken == []


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text()
    pages = [str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")]
    assert [page for page in pages if page not in navigation] == []


def test_the_picture_is_of_a_run_and_needs_nothing_from_elsewhere() -> None:
    from xml.etree import ElementTree

    picture = (DOCS / "img/demo.svg").read_text()
    shown = " ".join(
        "".join(node.itertext()) for node in ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")
    )
    for line in ("kill -9, on purpose", "headrace resume demo", "What landed", "pages were not fetched again"):
        assert line in shown.replace("\xa0", " ")
    assert re.findall(r"https?://(?!www\.w3\.org|127\.0\.0\.1)[^\s<]+", picture) == []
