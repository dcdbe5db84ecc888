"""What the sessions of one process on one DuckDB file share: the open file, its memory, and turns at writing."""

from __future__ import annotations

from collections.abc import Callable
from threading import Condition, Lock
from typing import TypeVar

from headrace.core.errors import DestinationBusy

T = TypeVar("T")

PATIENCE = 10.0
"""Seconds that one who wants to write waits for those who have opened the file to read."""


class SharedFile:
    """DuckDB attaches a file once in a process: whoever comes later joins, and a reader may join writers.

    One writes at a time. Nobody loses a commit to another's then, and the memory that the file is given does for whoever
    needs most.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._changed = Condition()
        self._sessions: dict[int, int] = {}
        self._read_only = False
        self._spoilt = False
        self._writing = Lock()
        self._writer = 0
        """Who wrote last, of those who have it open."""
        self.least = 0
        """Megabytes below which a commit has run out of memory here."""

    def open(self, session: object, read_only: bool, connect: Callable[[bool], T]) -> T:
        """``connect(read_only)`` as the file is open, or is to be. Raises DestinationBusy."""
        with self._changed:
            mine = id(session) in self._sessions
            others = len(self._sessions) - mine
            if not read_only and others and self._read_only:
                self._changed.wait_for(lambda: not self._sessions, PATIENCE)
                others = len(self._sessions)
                if others and self._read_only:
                    raise self._busy("it is being read")
            if self._spoilt and others:
                raise self._busy("a commit ran out of memory, and it has to be opened anew")
            mode = self._read_only if others else read_only
            connection = connect(mode)
            self._read_only, self._spoilt = mode, False
            self._sessions.setdefault(id(session), 0)
            return connection

    def leave(self, session: object) -> None:
        with self._changed:
            self._sessions.pop(id(session), None)
            if self._writer == id(session):  # which may be the next one's
                self._writer = 0
            self._spoilt = self._spoilt and bool(self._sessions)
            self._changed.notify_all()

    def memory(self, session: object, megabytes: int) -> int:
        """What the file is to be given when ``session`` needs so much."""
        with self._changed:
            self._sessions[id(session)] = megabytes
            return max(self.least, *self._sessions.values())

    @property
    def alone(self) -> bool:
        """Whether one session has it open."""
        with self._changed:
            return len(self._sessions) <= 1

    def spoil(self, megabytes: int) -> None:
        """A commit ran out of memory. What its deletions have marked no rollback finds again while the file is open:
        nobody writes until all have closed it."""
        with self._changed:
            self.least = max(self.least, megabytes)
            self._spoilt = True

    def take(self, session: object) -> bool:
        """Begin to write, after whoever does; whether ``session`` was the last to. Raises DestinationBusy."""
        self._writing.acquire()
        if self._spoilt:
            self._writing.release()
            raise self._busy("a commit ran out of memory, and it has to be opened anew")
        before, self._writer = self._writer, id(session)
        return before == id(session)

    def give(self) -> None:
        """What :meth:`take` took."""
        self._writing.release()

    def _busy(self, why: str) -> DestinationBusy:
        return DestinationBusy(f"{self._name}: {why}", hint="run it again: it goes on from what was committed")


_files: dict[str, SharedFile] = {}
_making = Lock()


def shared(name: str) -> SharedFile:
    """The one of the file called ``name`` (its whole path)."""
    with _making:
        return _files.setdefault(name, SharedFile(name))
