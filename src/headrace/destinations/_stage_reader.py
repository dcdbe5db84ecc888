"""What a loader reads of a staged destination: its tables, and the parts of each run that are committed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from headrace.core.errors import CannotOpen, DestinationError, InputError
from headrace.core.suggest import did_you_mean
from headrace.core.types import ColumnType
from headrace.destinations import _stage_names as names
from headrace.destinations._stage_log import manifests_of
from headrace.destinations._stage_manifest import Part
from headrace.destinations._stage_runs import Runs
from headrace.destinations._stage_tables import Tables
from headrace.storage.retry import Retrying


@dataclass(frozen=True, slots=True)
class Commit:
    """The parts of one table that one manifest holds."""

    run_id: str
    number: int
    parts: tuple[Part, ...]


class StageReader:
    """One stage. ``id`` stays with it, wherever it is moved."""

    def __init__(self, store: Retrying) -> None:
        self._store = store
        self._tables, self._runs = Tables(store), Runs(store)
        found = store.get(names.FORMAT)
        if found is None:
            raise CannotOpen("no run has staged anything here", place=store.place)
        self.id = str(json.loads(found)["id"])
        self.place = store.place

    def tables(self) -> dict[str, Mapping[str, ColumnType]]:
        """Every table and its columns, but archives and what was rejected."""
        found = (self._tables.read(name) for name in self._tables.names())
        return {each.name: each.columns for each in found if each is not None and not (each.raw or each.withheld)}

    def columns(self, table: str) -> Mapping[str, ColumnType]:
        """Raises InputError for a table that no run has staged."""
        known = self.tables()
        if table not in known:
            raise InputError(
                f"{self.place} has no table {table!r}{did_you_mean(table, known)}",
                hint=f"tables: {', '.join(sorted(known)) or 'none yet'}",
            )
        return known[table]

    def runs(self, org: str) -> list[str]:
        """The runs of an organisation, the earliest first."""
        return [run.run_id for run in self._runs.latest() if run.org == org][::-1]

    def commits(self, run_id: str, table: str, *, after: int) -> Iterator[Commit]:
        """What the run's manifests with greater numbers than ``after`` added to ``table``."""
        for manifest in manifests_of(self._store, names.segment(run_id), after=after):
            parts = tuple(part for part in manifest.parts if part.table == table and part.kind == "rows")
            if parts:
                yield Commit(run_id, manifest.number, parts)

    def read(self, part: Part) -> Any:
        """The part's rows as an Arrow table, if it is what was committed."""
        return part.read(self._store)

    def changed(self, table: str, loaded: Mapping[str, tuple[int, str, int]]) -> Iterator[str]:
        """Parts of ``table`` that are no longer what was loaded; ``loaded`` has size, SHA-256 and moment of each. One
        that has been written since is read again."""
        for entry in self._store.scan(f"source={names.segment(table)}"):
            if entry.name not in loaded:
                continue
            size, digest, at = loaded[entry.name]
            part = Part(table, "rows", entry.name, "jsonl", "none", 0, size, digest, {})
            try:
                if entry.size != size or entry.modified > at:
                    part.checked(self._store.get(entry.name) or b"", self.place)
            except DestinationError:
                yield entry.name
