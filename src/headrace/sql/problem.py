"""What is wrong with a text of SQL, and where in it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Line and column in the text, from 1."""

    line: int = 1
    column: int = 1

    @classmethod
    def of(cls, text: str, offset: int) -> Place:
        """The place of the character at ``offset``."""
        before = text[: max(offset, 0)]
        return cls(before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)


class SqlProblem(Exception):
    """A text that cannot be run as it stands."""

    def __init__(self, message: str, place: Place) -> None:
        super().__init__(message)
        self.message, self.place = message, place
