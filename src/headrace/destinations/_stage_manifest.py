"""A manifest: what one commit of a staged destination did. Once its object is there, it has happened."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Literal

from headrace.core.errors import ArchiveMissing, DestinationError
from headrace.core.tables import Checkpoint, SliceState, StreamKey
from headrace.core.types import ColumnType
from headrace.destinations._base import as_json
from headrace.destinations._stage_parts import Compression, Format, decode, encode
from headrace.storage.retry import Retrying

VERSION = 1


@dataclass(frozen=True, slots=True)
class Part:
    """One file of rows. ``kind`` says whether they are the table's rows, what was rejected from a table, or pages of
    the archive; ``pages`` are (page_id, page_number) of the latter, row by row."""

    table: str
    kind: Literal["rows", "rejected", "raw"]
    path: str
    format: Format
    compression: Compression
    rows: int
    size: int
    sha256: str
    columns: Mapping[str, ColumnType]
    pages: Sequence[tuple[int, int]] = ()

    def read(self, store: Retrying) -> Any:
        """Its rows as an Arrow table. Raises ArchiveMissing where the file is gone, DestinationError where it is not
        the one that was committed."""
        data = store.get(self.path)
        if data is None:
            raise ArchiveMissing(
                f"{self.path} is gone", place=store.place, hint="somebody deleted it, or a lifecycle rule"
            )
        return decode(self.checked(data, store.place), self.columns, self.format, self.compression)

    def checked(self, data: bytes, place: str) -> bytes:
        """``data``, if it is what was committed."""
        if len(data) != self.size or sha256(data).hexdigest() != self.sha256:
            raise DestinationError(
                f"{self.path} has changed since it was committed: {len(data)} bytes, not the {self.size} of its manifest"
                if len(data) != self.size
                else f"{self.path} has changed since it was committed: its SHA-256 is not that of its manifest",
                place=place,
            )
        return data


@dataclass(frozen=True, slots=True)
class Content:
    """What becomes a part."""

    table: str
    kind: Literal["rows", "rejected", "raw"]
    rows: Any
    columns: Mapping[str, ColumnType]
    pages: Sequence[tuple[int, int]] = ()

    def encoded(self, format: Format, compression: Compression) -> bytes:
        return encode(self.rows, self.columns, format, compression)

    def part(self, path: str, data: bytes, format: Format, compression: Compression) -> Part:
        digest = sha256(data).hexdigest()
        return Part(
            self.table, self.kind, path, format, compression, self.rows.num_rows, len(data), digest, self.columns,
            self.pages,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Change:
    """A column that is new or wider from this manifest on."""

    table: str
    column: str
    type: ColumnType
    page_id: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """``attempt`` tells whose it is; ``swept`` ones carry nothing, but whoever was about to take their number has to
    write its parts anew."""

    run_id: str
    number: int
    attempt: str
    at: int
    checkpoints: Sequence[Checkpoint] = ()
    parts: Sequence[Part] = ()
    slices: Sequence[tuple[str, SliceState]] = ()
    changes: Sequence[Change] = ()
    swept: bool = field(default=False)

    def text(self) -> bytes:
        value = {
            "manifest": VERSION,
            "run_id": self.run_id,
            "number": self.number,
            "attempt": self.attempt,
            "at": self.at,
            "swept": self.swept,
            "parts": [
                {"table": p.table, "kind": p.kind, "path": p.path, "format": p.format, "compression": p.compression,
                 "rows": p.rows, "size": p.size, "sha256": p.sha256, "columns": dict(p.columns),
                 "pages": list(p.pages)}
                for p in self.parts
            ],
            "checkpoints": [
                {"step": c.key.step, "slice": c.key.slice, "page_number": c.page_number, "cursor_next": c.cursor_next,
                 "done": c.done, "attempt": c.attempt, "rows": c.rows, "memo": dict(c.memo)}
                for c in self.checkpoints
            ],
            "slices": [
                {"step": step, "name": s.name, "status": s.status, "attempts": s.attempts, "error": s.error}
                for step, s in self.slices
            ],
            "changes": [
                {"table": c.table, "column": c.column, "type": c.type, "page_id": c.page_id} for c in self.changes
            ],
        }  # fmt: skip
        return as_json(value).encode()


def read_manifest(data: bytes, name: str) -> Manifest:
    """Raises DestinationError for what is no manifest of ours."""
    try:
        value = json.loads(data)
        if value["manifest"] != VERSION:
            raise DestinationError(f"{name} is a manifest of version {value['manifest']}: a newer Headrace wrote it")
        run_id = value["run_id"]
        return Manifest(
            run_id=run_id,
            number=value["number"],
            attempt=value["attempt"],
            at=value["at"],
            swept=value["swept"],
            parts=[Part(**{**part, "pages": [tuple(page) for page in part["pages"]]}) for part in value["parts"]],
            checkpoints=[
                Checkpoint(StreamKey(run_id, c.pop("step"), c.pop("slice")), **c) for c in value["checkpoints"]
            ],
            slices=[
                (s["step"], SliceState(s["name"], 0, {}, s["status"], s["attempts"], s["error"]))
                for s in value["slices"]
            ],
            changes=[Change(**change) for change in value["changes"]],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise DestinationError(f"{name} is no manifest: {error!r}") from error
