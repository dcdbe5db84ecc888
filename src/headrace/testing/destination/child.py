"""``python -m headrace.testing.destination.child FILE``: a second process that uses a destination, to be killed.

FILE is the pickle of an :class:`Order`. The process says ``held`` on stdout once it has the lease, and
``done`` after its last commit.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from headrace.core.contracts import Destination
from headrace.core.tables import Group, TableSpec


@dataclass(frozen=True)
class Order:
    """Open ``destination``, take the lease of ``lease`` if given, prepare and commit; with ``wait`` the
    session is held open until the process is killed."""

    destination: Destination
    specs: Sequence[TableSpec] = ()
    raw: Sequence[str] = ()
    groups: Sequence[Group] = ()
    lease: str = ""
    wait: bool = False


def start(order: Order, folder: Path, *, fault: str = "") -> subprocess.Popen[str]:
    """A process that carries out ``order``; ``fault`` is its ``HEADRACE_FAULT``."""
    file = folder / "order.pickle"
    file.write_bytes(pickle.dumps(order))
    environment = {key: value for key, value in os.environ.items() if key != "HEADRACE_FAULT"}
    if fault:
        environment["HEADRACE_FAULT"] = fault
    return subprocess.Popen(
        [sys.executable, "-m", "headrace.testing.destination.child", str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def main(file: str) -> None:
    order: Order = pickle.loads(Path(file).read_bytes())  # noqa: S301 - written by this test run
    with ExitStack() as stack:
        session = stack.enter_context(order.destination.open())
        if order.lease:
            stack.enter_context(session.lease(order.lease, f"pid {os.getpid()}"))
            _say("held")
        session.prepare(order.specs, order.raw)
        for group in order.groups:
            session.commit(group)
        _say("done")
        if order.wait:
            sys.stdin.read()


def _say(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
