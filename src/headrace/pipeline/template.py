"""The commented file that ``headrace new`` starts from."""

from __future__ import annotations

from importlib.resources import files


def template() -> str:
    """A whole pipeline file that passes ``check``."""
    return files("headrace.pipeline").joinpath("template.yml").read_text(encoding="utf-8")
