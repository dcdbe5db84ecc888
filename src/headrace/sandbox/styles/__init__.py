"""Generic API styles under ``/styles/…``: one module a family, each with ``ROUTES``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headrace.sandbox.styles._common import Style


@cache
def all_styles() -> Mapping[str, Style]:
    """Every style by its name, with what an extract step needs to walk it."""
    from headrace.sandbox.styles import bodies, cursors, links, places, protocols

    families = (cursors, links, places, bodies, protocols)
    return {style.name: style for module in families for style in module.FAMILY.styles}
