"""``headrace``: one command per file; prints, and exit codes. Nothing heavy is imported before a command runs."""

from __future__ import annotations


def main() -> None:
    """The console script: every expected error becomes a message on stderr and an exit code."""
    from headrace.cli.main import start

    start()
