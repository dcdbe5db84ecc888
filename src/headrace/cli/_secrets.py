"""Where the commands that ask an API find its credential."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from headrace.core.contracts import CredentialRef, Secret


def prompt() -> Callable[[str], str | None] | None:
    """A prompt without echo on stderr, or ``None`` where nobody sits at a terminal."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None

    def ask(what: str) -> str | None:
        # A run's event loop takes Ctrl-C as a request to stop, which nobody reads while a person is asked.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            value: str = click.prompt(
                what.rstrip(": "), hide_input=True, default="", show_default=False, err=True, prompt_suffix=": "
            )
        except click.exceptions.Abort:
            raise KeyboardInterrupt from None
        finally:
            signal.signal(signal.SIGINT, before)
        return value or None

    return ask


def finder(org: str, secrets_file: Path | None) -> Callable[[CredentialRef], Secret]:
    """Look a credential up as `run` does."""
    from headrace.secrets.resolve import resolve

    def find(reference: CredentialRef) -> Secret:
        files = (secrets_file,) if secrets_file is not None else ()
        return resolve(reference, org=org, run_secrets={}, environ=os.environ, files=files, prompt=prompt())

    return find
