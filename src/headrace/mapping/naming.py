"""Names of the columns that records bring themselves."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from headrace.core.tables import PAGE, RECORD

HASH = "_hash"
"""Batch column with the hash of the row."""
ENGINE = frozenset({
    PAGE, RECORD, HASH, "org_slug", "extracted_at", "run_id", "fetched_at", "last_seen_run_id", "key_hash",
    "valid_from", "valid_to", "is_current",
})  # fmt: skip
"""Names that a record's own field does not get: it goes to ``_name``."""


def _mark(original: str) -> str:
    return "_" + hashlib.sha256(original.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _cut(name: str, most: int | None, suffix: str) -> str:
    if most is None or len((name + suffix).encode()) <= most:
        return name + suffix
    return name.encode()[: most - len(suffix)].decode(errors="ignore") + suffix


@dataclass
class Names:
    """Field → column of one open-ended table. A field keeps its column whatever the order of pages, also
    in a later process: a column that another field took before is recognised by its suffix.

    Names that differ only in case are told apart by the suffix in every destination: some keep the case of a
    name and still take both for one."""

    fold: Callable[[str], str]
    reserved: frozenset[str]
    """Folded names that fields do not get."""
    known: Collection[str] = ()
    """Columns that the destination has."""
    most: int | None = None
    """Bytes of a name."""
    columns: dict[str, str] = field(default_factory=dict)
    """Field to column, by first appearance."""
    owners: dict[str, str] = field(default_factory=dict)
    """Column, without its case, to field."""

    def __post_init__(self) -> None:
        self._reserved = frozenset(name.casefold() for name in self.reserved)
        self._known: dict[str, set[str]] = {}
        for name in self.known:
            self._known.setdefault(name.casefold(), set()).add(name)

    def copy(self) -> Names:
        return Names(self.fold, self.reserved, self.known, self.most, dict(self.columns), dict(self.owners))

    def column(self, original: str) -> str:
        """The column of a field."""
        found = self.columns.get(original)
        if found is None:
            found = self.columns[original] = self._claim(original)
            self.owners[found.casefold()] = original
        return found

    def _claim(self, original: str) -> str:
        name = self.fold(original) or "_empty"
        if name.casefold() in self._reserved:
            name = "_" + name
        marked = _cut(name.replace("\0", ""), self.most, _mark(original))
        too_long = self.most is not None and len(name.encode()) > self.most
        bare = name.casefold()
        taken = bare in self._reserved or bare in self.owners or name not in self._known.get(bare, {name})
        return marked if too_long or "\0" in name or taken or marked in self.known else name


def check_folds(table: str, names: Collection[str], fold: Callable[[str], str]) -> Mapping[str, str]:
    """Declared names by what they fold to, without case. Raises ValueError for two that meet."""
    found: dict[str, str] = {}
    for name in names:
        other = found.setdefault(fold(name).casefold(), name)
        if other != name:
            raise ValueError(f"table {table!r}: columns {other!r} and {name!r} are one column in this destination")
    return found
