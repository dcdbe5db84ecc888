"""Whether a process that was seen once is still there."""

from __future__ import annotations

import os
import socket
from functools import cache
from pathlib import Path


@cache
def this_host() -> str:
    return socket.gethostname()


def start_time(pid: int) -> str:
    """What tells a process from a later one with the same pid, where the system says it (``/proc``): its
    start in clock ticks since boot. Empty when unknown, or when the process is gone (a zombie is)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    # The name in parentheses may hold anything, also spaces and parentheses.
    fields = text[text.rfind(")") + 2 :].split()
    return "" if fields[0] in "ZX" else fields[19]


def is_alive(pid: int, started: str) -> bool:
    """Whether the process of this host that had ``pid`` and :func:`start_time` ``started`` runs."""
    if pid <= 0:
        return False
    if Path("/proc/self/stat").exists():
        now = start_time(pid)
        return bool(now) and (not started or now == started)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
