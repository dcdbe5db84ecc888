"""Asking a person for a credential."""

from __future__ import annotations

import sys
from collections.abc import Callable

import click


def prompt() -> Callable[[str], str | None] | None:
    """A prompt without echo on stderr, or ``None`` where nobody sits at a terminal."""
    if not sys.stdin.isatty():
        return None

    def ask(what: str) -> str | None:
        value: str = click.prompt(what, hide_input=True, default="", show_default=False, err=True)
        return value or None

    return ask
