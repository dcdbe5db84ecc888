"""What a session's last commit left: true for as long as nobody else writes, and nothing but commits is done."""

from __future__ import annotations

from collections.abc import Mapping

from headrace.core.tables import Checkpoint, StreamKey
from headrace.core.types import ColumnType


class Left:
    """Kept where a database has one writer at a time, who knows whether another one came between: it spares each commit
    the questions that the one before has answered. Empty is always right."""

    def __init__(self) -> None:
        self.types: dict[str, Mapping[str, ColumnType]] = {}
        """Column types by table."""
        self.highest: dict[str, int] = {}
        """By table a whole number that no row's first key column is greater than. What the key is changes only in
        :meth:`~headrace.core.contracts.Session.prepare`, which is no commit."""
        self.standing: dict[StreamKey, Checkpoint] = {}
        """Where streams that go on stand."""
        self.archived: tuple[tuple[str, StreamKey], int] | None = None
        """An archive, the stream that was written into it last, and the highest number of its pages there."""

    def forget(self) -> None:
        self.types.clear()
        self.highest.clear()
        self.standing.clear()
        self.archived = None
