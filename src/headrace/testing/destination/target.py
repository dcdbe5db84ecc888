"""What a contract suite is run against, and the fixtures that every concern shares."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from headrace.core import faults
from headrace.core.contracts import Capabilities, Destination, Session
from headrace.core.errors import NotSupported
from headrace.core.tables import TableSpec

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
    def _declared_refusals(self, target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
        """A table that the capabilities exclude must be refused with NotSupported: that is an expected failure too,
        and a strict one, since taking such a table fails the test."""
        can = target.destination.capabilities()
        if can.keys and can.dispositions == Capabilities().dispositions:
            return
        kind = type(target.destination)
        opened = kind.open

        @contextmanager
        def watched(destination: Destination, **options: Any) -> Iterator[Session]:
            with opened(destination, **options) as session:
                prepare = session.prepare

                def refusing(tables: Sequence[TableSpec], raw: Sequence[str]) -> None:
                    excluded = [spec for spec in tables if not _takes(can, spec)]
                    if excluded:
                        with pytest.raises(NotSupported):
                            prepare(tables, raw)
                        pytest.xfail(
                            f"declared: it does not take {excluded[0].write}{' with a key' * bool(excluded[0].key)}"
                        )
                    prepare(tables, raw)

                monkeypatch.setattr(session, "prepare", refusing)
                yield session

        monkeypatch.setattr(kind, "open", watched)

    @pytest.fixture(autouse=True)
    def _no_fault_stays(self) -> Iterator[None]:
        yield
        faults.install(None)


def _takes(can: Capabilities, spec: TableSpec) -> bool:
    return spec.write in can.dispositions and (can.keys or not spec.key)


def needs_concurrent_writers(target: Target) -> None:
    """Skip where only one process may write at a time."""
    if not target.destination.capabilities().concurrent_writers:
        pytest.skip("one writer at a time: the destination's own lock answers this")
