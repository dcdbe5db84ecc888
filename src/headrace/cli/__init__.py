"""``headrace``: one command per file; prints, and exit codes. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import atexit
import gc
import os
import sys


def main() -> None:
    """The console script: every expected error becomes a message on stderr and an exit code."""
    # Arrow's own pool keeps what it once held: with the system's a crawl peaks some 40 MB lower. It is chosen when
    # pyarrow is imported, and for a whole process: in a library it is not ours to choose.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    # Models and the records of a page are many objects at once, and hardly any cycle.
    gc.set_threshold(100_000, 20, 100)
    leave = _Leave()
    if not atexit._ncallbacks():  # those of others would be left out: they were there first, so they come last
        atexit.register(leave)
    try:
        from headrace.cli.main import start

        start()
    except KeyboardInterrupt:  # before or after the command itself
        leave.code = 130
        raise SystemExit(130) from None
    except SystemExit as ended:
        leave.code = ended.code
        raise


class _Leave:
    """Ends the process where Python would take every module and model apart first: 0.15 CPU s after a crawl, for
    memory that the system takes back as it is. Called when threads are joined and every other exit handler has run."""

    code: object = None
    """As ``sys.exit`` takes it; ``None`` where the command ended some other way."""

    def __call__(self) -> None:
        if not isinstance(self.code, int):
            return
        try:
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()
        except (OSError, ValueError):
            return  # Python says what could not be written
        os._exit(self.code)
