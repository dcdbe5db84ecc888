"""The tables of a staged destination: what runs declared, and which columns their manifests added or widened."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from headrace.core.errors import NotSupported, UsageError
from headrace.core.tables import TableSpec
from headrace.core.types import ColumnType, widen
from headrace.destinations import _stage_names as names
from headrace.destinations._base import as_json, now
from headrace.destinations._layout import dump_spec, load_spec
from headrace.destinations._stage_manifest import Change, read_manifest
from headrace.storage.retry import Retrying

RAW = "raw.json"


@dataclass(frozen=True, slots=True)
class Version:
    """Columns that were declared or changed at one moment."""

    at: int
    columns: Mapping[str, ColumnType]
    run_id: str = ""
    page_id: int = 0
    spec: TableSpec | None = None


@dataclass
class Table:
    """One table as all runs together have left it. ``columns`` join what is known: the order does not matter."""

    name: str
    versions: list[Version] = field(default_factory=list)
    raw: bool = False
    """It is an archive of answers."""
    columns: dict[str, ColumnType] = field(default_factory=dict)

    def add(self, version: Version) -> None:
        self.versions.append(version)
        self.columns |= wider(self.columns, version.columns)

    @property
    def spec(self) -> TableSpec | None:
        """The latest declaration."""
        return next((each.spec for each in reversed(self.versions) if each.spec is not None), None)

    def history(self) -> Iterator[tuple[Version, dict[str, ColumnType]]]:
        """Each version that changed something, and what."""
        have: dict[str, ColumnType] = {}
        for version in self.versions:
            if changed := wider(have, version.columns):
                have |= changed
                yield version, changed

    @property
    def withheld(self) -> bool:
        """No run may make it: only what was rejected is kept."""
        declared = [each.spec for each in self.versions if each.spec is not None]
        return bool(declared) and all(spec.when_absent == "withhold" for spec in declared)


def wider(have: Mapping[str, ColumnType], want: Mapping[str, ColumnType]) -> dict[str, ColumnType]:
    """The columns that are missing or too narrow, in the type they get."""
    found = {name: widen(have.get(name, type), type) for name, type in want.items()}
    return {name: type for name, type in found.items() if have.get(name) != type}


class Tables:
    """The tables below one root. Nothing of them is ever changed, so that reading and adding need no lock."""

    def __init__(self, store: Retrying) -> None:
        self._store = store
        self._notes: dict[str, Any] = {}
        """What has been read of notes that cannot change any more."""
        self._known: dict[str, Table] = {}

    def known(self, name: str) -> Table | None:
        """A table as it was when it was last read; read now if it never was."""
        return self._known.get(name) or self.read(name)

    def read(self, name: str) -> Table | None:
        """A table as it is now; ``None`` where no run has declared it."""
        folder = names.table_folder(name)
        found = Table(name)
        versions = []
        for entry in self._store.scan(folder):
            note = self._note(entry.name)
            if note is None:
                continue
            found.raw |= bool(note.get("raw"))
            versions += [_declared(note)] if "spec" in note else list(self._changed(name, note))
        for version in sorted(versions, key=lambda each: (each.at, each.run_id, each.page_id)):
            found.add(version)
        if not (found.versions or found.raw):
            return None
        self._known[name] = found
        return found

    def names(self) -> list[str]:
        """Every table and archive that there is."""
        found = []
        for folder in self._store.folders(names.TABLES):
            first = next(iter(self._store.scan(f"{names.TABLES}/{folder}")), None)
            note = self._note(first.name) if first is not None else None
            if note is not None:
                found.append(str(note["table"]))
        return found

    def declare(self, spec: TableSpec) -> None:
        """Keep a declaration. Raises NotSupported for what files cannot do, UsageError for a table that its contract
        lets no run make."""
        refuse(spec)
        have = self.read(spec.name)
        if (have is None or have.withheld) and spec.when_absent == "refuse":
            raise UsageError(
                f"table {spec.name!r} does not exist, and its contract (tables: freeze) lets no run make it",
                hint="make the table, or run once with contract: {tables: evolve}",
            )
        text = dump_spec(spec)
        name = f"declared-{sha256(text.encode()).hexdigest()[:16]}.json"
        note = {"table": spec.name, "spec": text, "at": now()}
        if self._store.create(f"{names.table_folder(spec.name)}/{name}", as_json(note).encode()):
            self.read(spec.name)

    def declare_raw(self, name: str) -> None:
        self._store.create(f"{names.table_folder(name)}/{RAW}", as_json({"table": name, "raw": True}).encode())

    def announce(self, table: str, run_id: str, number: int) -> tuple[str, bytes]:
        """What says that a manifest, once it is there, changes columns of ``table``: name and bytes of a note."""
        name = f"{names.table_folder(table)}/changed-{names.segment(run_id)}-{number:010d}.json"
        return name, as_json({"table": table, "run_id": run_id, "number": number}).encode()

    def changed(self, at: int, run_id: str, changes: Sequence[Change]) -> None:
        """A manifest of this session has changed columns."""
        for change in changes:
            table = self._known[change.table]
            table.add(Version(at, {change.column: change.type}, run_id, change.page_id))

    def _note(self, name: str) -> Any:
        if name not in self._notes:
            data = self._store.get(name)
            if data is None:
                return None
            self._notes[name] = json.loads(data)
        return self._notes[name]

    def _changed(self, table: str, note: Mapping[str, Any]) -> Iterator[Version]:
        """What the manifest that a note points to did, if it ever came to be."""
        if "number" not in note:
            return
        name = names.manifest(note["run_id"], note["number"])
        if name not in self._notes:
            data = self._store.get(name)
            if data is None:
                return
            found = read_manifest(data, name)
            self._notes[name] = (found.at, found.run_id, found.changes)
        at, run_id, changes = self._notes[name]
        for change in changes:
            if change.table == table:
                yield Version(at, {change.column: change.type}, run_id, change.page_id)


def refuse(spec: TableSpec) -> None:
    """Raises NotSupported for a table whose rows would have to be found again."""
    if spec.write != "append" or spec.key:
        how = f"write: {spec.write}" if spec.write != "append" else "append with a key"
        raise NotSupported(
            f"a staged destination only adds rows, as files: {how} needs a database",
            hint="leave the key out here (write: append), and load the files into a database by the key with "
            "generic.stage_loader",
            place=f"table {spec.name}",
        )


def _declared(note: Mapping[str, Any]) -> Version:
    spec = load_spec(note["spec"])
    columns: dict[str, ColumnType] = {}
    if spec.when_absent != "withhold":
        columns = {name: type or "untyped" for name, type in spec.columns.items()}
    return Version(note["at"], columns, spec=spec)
