"""The runs of a staged destination: their records, and their frozen slices."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from typing import Any
from uuid import uuid4

from headrace.core import faults
from headrace.core.tables import RunRecord, SliceState
from headrace.destinations import _stage_names as names
from headrace.destinations._base import as_json
from headrace.destinations._stage_log import RunLog, manifests_of
from headrace.storage.retry import Retrying

_TOGETHER = 10_000
"""Slices in one object."""


class Runs:
    """Each record is an object that is replaced as a whole."""

    def __init__(self, store: Retrying) -> None:
        self._store = store
        self._listed: set[str] = set()

    def read(self, run_id: str) -> RunRecord | None:
        return _record(self._store.get(f"{names.run_folder(run_id)}/run.json"))

    def save(self, run: RunRecord) -> None:
        faults.point("run.saved")
        if run.run_id not in self._listed:
            self._store.create(
                f"{names.STARTED}/{run.started_at:020d}-{names.segment(run.run_id)}", run.run_id.encode()
            )
            self._listed.add(run.run_id)
        self._store.put(f"{names.run_folder(run.run_id)}/run.json", as_json(asdict(run)).encode())

    def latest(self) -> Iterator[RunRecord]:
        """Every run, the latest first."""
        found = [entry.name.rpartition("/")[2].partition("-")[2] for entry in self._store.scan(names.STARTED)]
        folders = dict.fromkeys(reversed(found))
        for data in self._store.get_all(f"{names.RUNS}/{folder}/run.json" for folder in folders):
            record = _record(data)
            if record is not None:
                yield record

    def folders(self) -> list[str]:
        """The folder of every run that has left anything."""
        return self._store.folders(names.RUNS)

    def id_of(self, folder: str) -> str | None:
        """The run whose folder it is, if it has a record, a manifest or slices."""
        record = _record(self._store.get(f"{names.RUNS}/{folder}/run.json"))
        if record is not None:
            return record.run_id
        first = next(manifests_of(self._store, folder), None)
        if first is not None:
            return first.run_id
        for step in self._store.folders(f"{names.RUNS}/{folder}/slices"):
            data = self._store.get(f"{names.RUNS}/{folder}/slices/{step}/frozen.json")
            if data is not None:
                return str(json.loads(data)["run_id"])
        return None


class Slices:
    """The slices of one step of a run: chunks that never change, and what manifests say of them since."""

    def __init__(self, store: Retrying, run_id: str, step: str) -> None:
        self._store, self._run_id, self.step = store, run_id, step
        self._folder = f"{_slices(run_id)}/{names.segment(step)}"

    def freeze(self, slices: Iterable[SliceState]) -> int:
        """Keep them unless there are some; returns how many there are now."""
        index = self._read_index()
        if index is None:
            token = uuid4().hex
            source, count = iter(slices), 0
            chunks: list[dict[str, Any]] = []
            while part := list(islice(source, _TOGETHER)):
                name = f"{token}-{len(chunks):06d}.json"
                self._store.put(f"{self._folder}/{name}", as_json([_row(each) for each in part]).encode())
                chunks.append({"name": name, "last": part[-1].position})
                count += len(part)
            if not count:
                return 0
            index = {"run_id": self._run_id, "step": self.step, "count": count, "chunks": chunks}
            if not self._store.create(f"{self._folder}/frozen.json", as_json(index).encode()):
                index = self._read_index()  # another process was first
        return int(index["count"])

    def read(self, log: RunLog, after: int, status: Sequence[str]) -> Iterator[SliceState]:
        """Those at a later position than ``after``, in order, as they stand now."""
        index = self._read_index()
        for chunk in index["chunks"] if index is not None else ():
            if chunk["last"] <= after:
                continue
            for name, position, params in json.loads(self._store.get(f"{self._folder}/{chunk['name']}") or b"[]"):
                found = log.ended.get((self.step, name), ("pending", 0, ""))
                if position > after and (not status or found[0] in status):
                    yield SliceState(name, position, params, *found)

    def _read_index(self) -> Any:
        data = self._store.get(f"{self._folder}/frozen.json")
        return json.loads(data) if data is not None else None


def slices_of(store: Retrying, run_id: str) -> Iterator[Slices]:
    """Those of every step of a run."""
    for folder in store.folders(_slices(run_id)):
        data = store.get(f"{_slices(run_id)}/{folder}/frozen.json")
        if data is not None:
            yield Slices(store, run_id, json.loads(data)["step"])


def _slices(run_id: str) -> str:
    return f"{names.run_folder(run_id)}/slices"


def _row(state: SliceState) -> list[Any]:
    return [state.name, state.position, dict(state.params)]


def _record(data: bytes | None) -> RunRecord | None:
    return RunRecord(**json.loads(data)) if data is not None else None
