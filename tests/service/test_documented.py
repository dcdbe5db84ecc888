"""What the service can be told, and where it answers, stands in the docs."""

from __future__ import annotations

import re
from pathlib import Path

from headrace.service.config import ServiceConfig

DOCS = Path(__file__).parents[2] / "docs"


def test_every_field_of_the_configuration_has_its_row() -> None:
    text = (DOCS / "service.md").read_text().partition("## Configuration")[2]
    rows = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert set(ServiceConfig.model_fields) - named == set()
    assert named - set(ServiceConfig.model_fields) == set()
