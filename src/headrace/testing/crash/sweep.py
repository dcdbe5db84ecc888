"""``python -m headrace.testing.crash.sweep``: a small crawl with a fault at the n-th statement, file operation and
statement on the state store, for every n, in one process. Prints what it found as JSON."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from headrace.core import faults
from headrace.core.errors import HeadraceError
from headrace.testing.crash.child import Files, Statements
from headrace.testing.crash.crawl import Crawl
from headrace.testing.crash.databases import Databases, beside
from headrace.testing.crash.outcome import Figures, Outcome, compare, outcome

ATTEMPTS = 5
"""Calls that a run may take to come to its end once nothing fails any more; a database that is gone would need them
for ever."""


@dataclass
class Sweep:
    """A crawl, the database it begins with, and what it should leave."""

    crawl: Crawl
    base: str
    databases: Databases
    expected: Outcome

    def fresh(self) -> Crawl:
        """A copy of the database to begin with, and no state."""
        shutil.rmtree(self.crawl.state, ignore_errors=True)
        return replace(self.crawl, destination=self.databases.copy(self.base))

    def over(self, crawl: Crawl) -> Figures:
        """Compare, and drop the copy."""
        found = compare(self.expected, outcome(crawl))
        self.databases.drop(crawl.destination)
        return found

    def statements(self, *, after: str | None = None) -> tuple[int, Figures]:
        """The n-th statement since the attempt began fails, n = 1, 2, …, until the run is done: each resume comes
        at least as far as the one before. With ``after``, counted in each commit from that fault point on."""
        crawl = self.fresh()
        for nth in count(1):
            faults.install(_failing(nth, after))
            try:
                done = _run(crawl)
            finally:
                faults.install(None)
            if done:
                return nth - 1, self.over(crawl)
        raise AssertionError

    def each(self, failing: Callable[[Crawl, int], Any]) -> tuple[int, Figures]:
        """The n-th operation that ``failing`` counts fails, n = 1, 2, …, each in a crawl of its own that was broken
        off once before and is resumed where this ends it."""
        found = Figures()
        for nth in count(1):
            crawl = self.fresh()
            faults.install(_broken_off())
            try:
                _run(crawl)
            finally:
                faults.install(None)
            with failing(crawl, nth) as counted:
                done = _run(crawl)
            for _ in range(ATTEMPTS):
                done = done or _run(crawl)
            if not done:
                raise AssertionError(f"{crawl.pipeline} does not come to its end after fault {nth}")
            found += self.over(crawl)
            if counted.count < nth:
                return nth - 1, found
        raise AssertionError


def _broken_off() -> Callable[[str], None]:
    left = 3

    def handler(name: str) -> None:
        nonlocal left
        left -= name == "commit.sql"
        if name == "commit.sql" and left == 0:
            raise faults.InjectedFault(name)

    return handler


def _failing(nth: int, after: str | None) -> Callable[[str], None]:
    left, counting = nth, after is None

    def handler(name: str) -> None:
        nonlocal left, counting
        if after is not None and name in ("commit.begin", after):
            left, counting = nth, name == after
        if name == "commit.sql" and counting:
            left -= 1
            if left == 0:
                raise faults.InjectedFault(name)

    return handler


def _run(crawl: Crawl) -> bool:
    """Whether the run came to its end. Errors other than Headrace's own are not caught: nobody should see them."""
    from headrace.runner.api import run

    try:
        found = run(crawl.pipeline, destination=crawl.destination, run_id=crawl.run_id, state=crawl.state)
    except HeadraceError:
        return False
    return found.status == "done"


def sweep(crawl: Crawl, base: str, url: str, *, state: bool) -> dict[str, Any]:
    """What every fault left, by kind of fault: how many there were, and how far the tables were off."""
    with beside(url) as databases:
        calm = replace(crawl, destination=databases.copy(base))
        if not _run(calm):
            raise AssertionError(f"{crawl.pipeline} does not come to its end")
        every = Sweep(crawl, base, databases, outcome(calm))
        folder = str(crawl.state.absolute())

        def files(_: Crawl, nth: int) -> Files:
            return Files(f"{folder}/cache", nth, ("EIO", "ENOSPC")[nth % 2], lambda: None)

        found = {
            "every SQL statement of a commit": every.statements(),
            "every SQL statement of the commit that ends the crawl": every.statements(after="commit.staged"),
            "every operation on the cache's files": every.each(files),
        }
        if state:
            found["every statement on the state store"] = every.each(
                lambda _, nth: Statements(folder, nth, lambda: None)
            )
    return {kind: {"faults": number, **asdict(figures)} for kind, (number, figures) in found.items()}


def main() -> None:
    """Arguments: the pipeline file, the state folder, the database to begin with, a URL beside which databases are
    made, and whether the state store's statements are due as well."""
    file, state, base, url, whole = sys.argv[1:]
    found = sweep(Crawl(file, "", Path(state)), base, url, state=whole == "state")
    print(json.dumps(found))  # noqa: T201 - the command's result


if __name__ == "__main__":
    main()
