"""What every store of objects offers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol


class Transient(Exception):
    """An operation failed in a way that trying again may heal; it may have been carried out all the same."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An object as a listing shows it; ``modified`` is microseconds since 1970 UTC."""

    name: str
    size: int
    modified: int


class Store(Protocol):
    """Objects by name (segments joined by ``/``) under one root. An object is there whole or not at all, and as soon
    as a call that writes it has returned, it survives a power cut.

    Raises :class:`Transient` for what may be tried again and
    :class:`~headrace.core.errors.StorageFailed` for what may not.
    """

    place: str
    """Names the root in errors."""
    parallel: int
    """So many reads at once are worth it."""

    def create(self, name: str, data: bytes) -> bool:
        """Write an object that is not there yet; ``False``, and nothing is changed, if it is."""
        ...

    def put(self, name: str, data: bytes) -> None:
        """Write an object, or replace it."""
        ...

    def get(self, name: str) -> bytes | None:
        """The object's bytes; ``None`` where there is none."""
        ...

    def scan(self, folder: str, *, after: str = "") -> Iterator[Entry]:
        """Every object below ``folder`` (``""``: the root), in order of names, those greater than ``after``."""
        ...

    def folders(self, folder: str) -> list[str]:
        """The names of the folders right below ``folder``."""
        ...

    def delete(self, names: Iterable[str]) -> None:
        """Delete objects; those that are not there are no error."""
        ...

    def close(self) -> None: ...
