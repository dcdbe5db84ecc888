"""Named points where a test may kill, raise or wait; nothing happens there otherwise.

``HEADRACE_FAULT=commit.before_commit:3:kill`` kills the process the third time that the point is
passed (actions: ``kill`` = SIGKILL, ``raise``, ``hang``). Tests in the process use :func:`install`.
The points: ``fetch.sent``, ``fetch.received``, ``fetch.cached``, ``cache.write``, ``cache.segment_removed``,
``commit.begin``, ``commit.sql`` (before each statement), ``commit.staged``, ``commit.before_commit``,
``commit.after_commit``, ``run.saved``, ``run.finished``, ``vacuum.copied``, ``vacuum.replaced``,
``storage.operation`` (before each write of an object), ``storage.answered`` (after it).
"""

from __future__ import annotations

import os
from collections.abc import Callable

Handler = Callable[[str], None]


class InjectedFault(Exception):
    """Raised by the ``raise`` action."""


_handler: Handler | None = None


def install(handler: Handler | None) -> None:
    """Call ``handler(point)`` at every point from now on; ``None`` switches off."""
    global _handler
    _handler = handler


def point(name: str) -> None:
    """Pass the fault point ``name``."""
    if _handler is not None:
        _handler(name)


def _from_environment(text: str) -> Handler:
    wanted, nth, action = text.split(":")
    left = int(nth)

    def handler(name: str) -> None:
        nonlocal left
        if name != wanted:
            return
        left -= 1
        if left:
            return
        if action == "kill":
            import signal

            os.kill(os.getpid(), signal.SIGKILL)
        if action == "hang":
            import time

            time.sleep(3600)
        raise InjectedFault(name)

    return handler


if "HEADRACE_FAULT" in os.environ:
    install(_from_environment(os.environ["HEADRACE_FAULT"]))
