"""One run's manifests, read in order: where its streams stand, which parts it has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from headrace.core.tables import Checkpoint
from headrace.destinations import _stage_names as names
from headrace.destinations._stage_manifest import Manifest, read_manifest
from headrace.storage.retry import Retrying


def manifests_of(store: Retrying, run: str, *, after: int = 0) -> Iterator[Manifest]:
    """Those of the run in the folder ``run`` that have greater numbers than ``after``, in order."""
    folder = f"{names.RUNS}/{run}/manifests"
    found = [entry.name for entry in store.scan(folder, after=f"{folder}/{after:010d}.json")]
    for name, data in zip(found, store.get_all(found), strict=True):
        if data is not None:
            yield read_manifest(data, name)


class RunLog:
    """The manifests of one run, folded. ``number`` is the last one's; 0 before the first."""

    def __init__(self, store: Retrying, run_id: str) -> None:
        self._store, self.run_id = store, run_id
        self.number = 0
        self.swept = 0
        """The number of the last manifest that swept."""
        self.checkpoints: dict[tuple[str, str], Checkpoint] = {}
        self.ended: dict[tuple[str, str], tuple[Any, int, str]] = {}
        """(step, slice) -> status, attempts and error of slices that a commit has ended."""
        self.parts: Counter[str] = Counter()
        """The number of each table's last part."""
        for each in manifests_of(store, names.segment(run_id)):
            self.take(each)

    def refresh(self) -> None:
        """Read what others have added."""
        while True:
            name = names.manifest(self.run_id, self.number + 1)
            data = self._store.get(name)
            if data is None:
                return
            self.take(read_manifest(data, name))

    def take(self, manifest: Manifest) -> None:
        """The next manifest is part of the truth."""
        self.number = manifest.number
        if manifest.swept:
            self.swept = manifest.number
        for at in manifest.checkpoints:
            self.checkpoints[at.key.step, at.key.slice] = at
        for step, state in manifest.slices:
            self.ended[step, state.name] = (state.status, state.attempts, state.error)
        for part in manifest.parts:
            self.parts[part.table] = max(self.parts[part.table], names.part_number(part.path))
