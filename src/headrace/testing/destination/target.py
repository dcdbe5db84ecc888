"""What a contract suite is run against, and the fixtures that every concern shares."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from headrace.core import faults
from headrace.core.contracts import Destination, Session

TABLES = (
    "SELECT table_name FROM information_schema.tables WHERE table_schema NOT IN ('information_schema', 'pg_catalog')"
)


@dataclass(frozen=True)
class Target:
    """One empty database, and how to reach it.

    ``destination`` may be opened again and again; it must pickle, since crash tests open it in a
    second process. ``execute`` runs one statement as a stranger would, with no session of ours open
    (a view of the user's own, a damaged archive). ``tables`` is SQL for the names of all tables and views. ``size`` tells
    how many bytes the database takes on disk while no session is open.
    """

    destination: Destination
    execute: Callable[[str], None]
    tables: str = TABLES
    size: Callable[[], int] | None = None


class DestinationTests:
    """Base of every concern: subclasses of the whole suite say how a fresh :class:`Target` is made."""

    def make(self, folder: Path) -> Target:
        """A fresh, empty target; ``folder`` is empty and the test's own."""
        raise NotImplementedError

    @pytest.fixture
    def target(self, tmp_path: Path) -> Target:
        return self.make(tmp_path)

    @pytest.fixture
    def session(self, target: Target) -> Iterator[Session]:
        with target.destination.open() as session:
            yield session

    @pytest.fixture(autouse=True)
    def _declared_gaps(self, request: pytest.FixtureRequest, target: Target) -> None:
        """A gap is a strict expected failure: closing it without striking it off fails the suite."""
        gaps = target.destination.capabilities().gaps
        plain = request.node.name.partition("[")[0]
        reason = gaps.get(request.node.name, gaps.get(plain))
        if reason is not None:
            request.node.add_marker(pytest.mark.xfail(reason=reason, strict=True))

    @pytest.fixture(autouse=True)
    def _no_fault_stays(self) -> Iterator[None]:
        yield
        faults.install(None)


def needs_concurrent_writers(target: Target) -> None:
    """Skip where only one process may write at a time."""
    if not target.destination.capabilities().concurrent_writers:
        pytest.skip("one writer at a time: the destination's own lock answers this")
