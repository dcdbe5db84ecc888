"""The contract that every destination keeps, for its author to run.

Subclass :class:`DestinationSuite` in a test module and say how a fresh, empty database is made::

    from headrace.testing.destination_suite import DestinationSuite, Target

    class TestAcme(DestinationSuite):
        def make(self, folder):
            return Target(Acme(path=str(folder / "acme.db")), execute=run_as_a_user)

Each test gets a database of its own. ``execute(sql)`` runs one statement behind the engine's back, while
no session is open. Databases that need a server override the ``target`` fixture instead of ``make``.

What the destination cannot do is declared, not skipped: ``Capabilities.gaps`` maps a test's name
(``test_negative_zero_keeps_its_sign``, or with its parameters ``test_hostile_tables[rowid]``) to the reason.
Such a test is expected to fail, and the suite fails once it passes. So is one whose table the capabilities exclude
(``dispositions``, ``keys``): it must be refused with NotSupported. Tests that need two writers at once
skip unless ``Capabilities.concurrent_writers``.

Run the suite with ``pytest.register_assert_rewrite("headrace.testing")`` at the top of ``conftest.py`` to see
the values in failed assertions. Tables are in SQL's standard form: delimited identifiers are in double
quotes, ``?`` binds a value.
"""

from __future__ import annotations

from headrace.testing.destination.appending import Appending
from headrace.testing.destination.archive import Archive
from headrace.testing.destination.atomicity import Atomicity
from headrace.testing.destination.crashes import Crashes
from headrace.testing.destination.evolution import Evolution
from headrace.testing.destination.fencing import Fencing
from headrace.testing.destination.grouping import Grouping
from headrace.testing.destination.historic import Historic
from headrace.testing.destination.merging import Merging
from headrace.testing.destination.names import Names
from headrace.testing.destination.poison import Poison
from headrace.testing.destination.queries import Queries
from headrace.testing.destination.rebuilding import Rebuilding
from headrace.testing.destination.removals import Guard, Overlapping, Purging, Removing, Scopes
from headrace.testing.destination.replacing import Replacing
from headrace.testing.destination.runs import Runs
from headrace.testing.destination.slices import Slices
from headrace.testing.destination.syncing import Syncing
from headrace.testing.destination.target import Target
from headrace.testing.destination.transforming import Transforming
from headrace.testing.destination.vacuuming import Abandoning, Vacuuming
from headrace.testing.destination.values import Values


class DestinationSuite(
    Atomicity,
    Fencing,
    Crashes,
    Appending,
    Merging,
    Replacing,
    Syncing,
    Historic,
    Grouping,
    Removing,
    Overlapping,
    Scopes,
    Guard,
    Purging,
    Vacuuming,
    Abandoning,
    Evolution,
    Values,
    Names,
    Poison,
    Archive,
    Slices,
    Queries,
    Rebuilding,
    Transforming,
    Runs,
):
    """Every concern of the contract; each base class is one, and may be run alone."""


__all__ = ["DestinationSuite", "Target"]
