"""``headrace``: one command per file; prints, and exit codes. Nothing heavy is imported before a command runs."""

from __future__ import annotations


def main() -> None:
    """The console script: every expected error becomes a message on stderr and an exit code."""
    try:
        from headrace.cli.main import start

        start()
    except KeyboardInterrupt:  # before or after the command itself
        raise SystemExit(130) from None
