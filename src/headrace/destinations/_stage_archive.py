"""The archive of a staged destination, page by page; and what killed commits left behind, deleted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from uuid import uuid4

import pyarrow as pa

from headrace.core.tables import RawPage
from headrace.destinations import _stage_names as names
from headrace.destinations._archive import as_page
from headrace.destinations._base import now
from headrace.destinations._stage_log import manifests_of
from headrace.destinations._stage_manifest import Manifest, Part
from headrace.destinations._stage_runs import Runs
from headrace.storage.retry import Retrying

_ROW = (
    "run_id", "step", "slice", "page_number", "page_id", "fetched_at", "url", "status", "headers", "response_blob",
    "masked", "encoding", "sha256",
)  # fmt: skip
_DAY = 24 * 3600 * 1_000_000


def read_pages(
    store: Retrying, table: str, runs: Sequence[str], page_number: int | None, page_id: int | None
) -> Iterator[RawPage]:
    """Pages of the runs in the folders ``runs``, in order of ``page_id``; one part is in memory at a time."""
    places: dict[int, tuple[Part, int]] = {}
    for run in runs:
        for manifest in manifests_of(store, run):
            for part in manifest.parts:
                if part.table == table and part.kind == "raw":
                    for row, (identifier, number) in enumerate(part.pages):
                        if page_id in (None, identifier) and page_number in (None, number):
                            places[identifier] = part, row
    open_part: tuple[str, pa.Table] = "", pa.table({})
    for identifier in sorted(places):
        part, row = places[identifier]
        if open_part[0] != part.path:
            open_part = part.path, part.read(store)
        values = open_part[1].select(_ROW).slice(row, 1).cast(_plain_times(open_part[1])).to_pylist()[0]
        yield as_page(table, tuple(values.values()))


def _plain_times(rows: pa.Table) -> pa.Schema:
    """Moments as microseconds."""
    fields = [rows.schema.field(name) for name in _ROW]
    return pa.schema([pa.field(f.name, pa.int64() if pa.types.is_timestamp(f.type) else f.type) for f in fields])


def sweep(store: Retrying, runs: Runs) -> None:
    """Delete the parts that no manifest knows. A manifest that says so comes first: a commit that is under way
    meets it, and writes its parts anew."""
    listed = (entry.name for entry in store.scan("") if entry.name.startswith("source="))
    for folder, parts in groupby(listed, key=lambda name: name.rpartition("/")[0]):
        run = folder.rpartition("/batch_id=")[2]
        found = list(parts)
        if left := _unknown(store, run, found):
            run_id = runs.id_of(run)
            if run_id is not None:
                _announce(store, run_id)
                store.delete(_unknown(store, run, left))
    store.sweep(now() - _DAY)


def _unknown(store: Retrying, run: str, found: Sequence[str]) -> list[str]:
    known = {part.path for manifest in manifests_of(store, run) for part in manifest.parts}
    return [name for name in found if name not in known]


def _announce(store: Retrying, run_id: str) -> None:
    number = 0
    while True:
        number = max(
            (manifest.number for manifest in manifests_of(store, names.segment(run_id), after=number)), default=number
        )
        swept = Manifest(run_id, number + 1, uuid4().hex, now(), swept=True)
        if store.create(names.manifest(run_id, swept.number), swept.text()):
            return
