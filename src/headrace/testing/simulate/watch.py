"""Between the crawl and its session: loses commits, and says what is about to be committed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.core.contracts import Session
from headrace.core.errors import CommitFailed, CommitUnknown
from headrace.core.tables import Group, Receipt

if TYPE_CHECKING:
    from headrace.testing.simulate.process import Process


class Watched:
    """A session of one process; everything but :meth:`commit` passes through."""

    def __init__(self, session: Session, process: Process) -> None:
        self._session, self._process = session, process

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def commit(self, group: Group) -> Receipt:
        process, world = self._process, self._process.world
        process.to_be_committed += sum(len(page.body) + 512 for page in group.pages)
        lost = world.api.fault() in ("reset", "cut", "refused")
        process.faults += lost
        if lost and world.random.random() < 0.5:
            world.note(process.number, "a commit is rolled back")
            raise CommitFailed("simulated: rolled back")
        world.account.committing = group
        receipt = self._session.commit(group)
        if lost:
            world.note(process.number, "a commit is done, but nobody hears of it")
            raise CommitUnknown("simulated: the connection was lost during COMMIT")
        return receipt
