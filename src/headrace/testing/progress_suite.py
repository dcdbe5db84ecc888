"""The contract of the service's store: every :class:`~headrace.state.progress.contract.ProgressStore` passes it.

A store's tests are one class::

    class TestAcme(ProgressContract):
        opener = "acme.progress:AcmeProgress"      # importable, called as AcmeProgress(address)

        @pytest.fixture
        def address(self, acme_url): return acme_url     # nothing is kept there yet

        @pytest.fixture
        def outage(self, acme): return acme.away         # a context in which the store at `address` cannot be reached
"""

from __future__ import annotations

from headrace.testing.progress.creating import Creating
from headrace.testing.progress.documents import Documents
from headrace.testing.progress.ending import Ending
from headrace.testing.progress.finding import Finding
from headrace.testing.progress.leasing import Leasing
from headrace.testing.progress.outages import Outages
from headrace.testing.progress.racing import Racing
from headrace.testing.progress.reporting import Reporting
from headrace.testing.progress.target import request, together


class ProgressContract(
    Creating,
    Finding,
    Leasing,
    Reporting,
    Ending,
    Documents,
    Racing,
    Outages,
):
    """Every concern of the contract; each base class is one, and may be run alone."""


__all__ = ["ProgressContract", "request", "together"]
