"""Strike a crawl with everything that may happen to a process, let it go on, and compare with one left alone.

On the command line: ``python -m headrace.testing.crash --help``. For a test of your own pipeline::

    calm = Crawl("mine.yml", "duckdb:////tmp/calm.duckdb", state=Path("/tmp/calm"))
    torn = replace(calm, destination="duckdb:////tmp/torn.duckdb", state=Path("/tmp/torn"))
    found = survive(torn, deque([At("commit.before_commit"), After(0.3)]), expected=undisturbed(calm))
    assert found.clean

Where the API is a sandbox, ``asked`` (its ``stats()["by_request"]``) shows which requests were made again.
"""

from headrace.testing.crash.crawl import Attempt, Crawl, Violation
from headrace.testing.crash.outcome import Figures, Outcome, committed_requests, compare, outcome
from headrace.testing.crash.strikes import (
    FAULT_POINTS,
    After,
    At,
    Forgetting,
    Kill,
    Lost,
    Overtaken,
    Statement,
    Stop,
    Strike,
    SystemCall,
    Terminated,
)
from headrace.testing.crash.survive import Asked, attempt, survive, undisturbed

__all__ = [
    "FAULT_POINTS", "After", "Asked", "At", "Attempt", "Crawl", "Figures", "Forgetting", "Kill", "Lost", "Outcome",
    "Overtaken", "Statement", "Stop", "Strike", "SystemCall", "Terminated", "Violation", "attempt",
    "committed_requests", "compare", "outcome", "survive", "undisturbed",
]  # fmt: skip
