"""``headrace``: one command per file; prints, and exit codes. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import gc
import os


def main() -> None:
    """The console script: every expected error becomes a message on stderr and an exit code."""
    # Arrow's own pool keeps what it once held: with the system's a crawl peaks some 40 MB lower. It is chosen when
    # pyarrow is imported, and for a whole process: in a library it is not ours to choose.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    gc.set_threshold(50_000, 20, 100)  # models and the records of a page are many objects at once, and hardly any cycle
    try:
        from headrace.cli.main import start

        start()
    except KeyboardInterrupt:  # before or after the command itself
        raise SystemExit(130) from None
