"""Raw pages: packed, stored, read back and checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from itertools import accumulate
from typing import Any

import pyarrow as pa
import zstandard

from headrace.core.errors import ArchiveMissing, DestinationError
from headrace.core.tables import Packed, RawPage, StreamKey
from headrace.core.types import ColumnType
from headrace.destinations._connection import Connection
from headrace.destinations._sql import quote

COLUMNS: dict[str, ColumnType] = {
    "run_id": "string", "step": "string", "slice": "string", "page_number": "bigint", "fetched_at": "timestamp",
    "url": "string", "status": "bigint", "headers": "string", "response_blob": "binary", "encoding": "string",
    "sha256": "string", "size": "bigint", "masked": "bigint", "page_id": "bigint",
}  # fmt: skip
_CHUNK_BYTES = 4 << 20


def as_rows(pages: Sequence[RawPage], safe_text: Callable[[str], str]) -> Iterator[tuple[str, pa.Table]]:
    """The archive's rows by table, one for each page, in the columns of :data:`COLUMNS`."""
    from headrace.destinations._rows import ARROW

    compress = zstandard.ZstdCompressor(level=1).compress
    by_table: dict[str, dict[tuple[str, str, str, int], tuple[Any, ...]]] = {}
    for page in pages:
        kept = page.packed
        if kept is None:
            data = compress(page.body) if page.compression == "zstd" else page.body
            kept = Packed(data, len(page.body), sha256(page.body).hexdigest())
        run, step, slice = map(safe_text, (page.run_id, page.step, page.slice))
        place = (run, step, slice, page.page_number)
        by_table.setdefault(page.table, {})[place] = (
            *place, page.fetched_at, safe_text(page.url), page.status, safe_text(page.headers), kept.data,
            page.compression, kept.sha256, kept.size, page.masked, page.page_id,
        )  # fmt: skip
    schema = pa.schema([(name, ARROW[type]) for name, type in COLUMNS.items()])
    for table, found in sorted(by_table.items()):
        columns = zip(*found.values(), strict=True)
        made = [_binary(c) if f.name == "response_blob" else pa.array(c, f.type)
                for c, f in zip(columns, schema, strict=True)]  # fmt: skip
        yield table, pa.table(made, schema=schema)


def _binary(values: Sequence[bytes]) -> Any:
    """``pa.array`` makes room as it goes and copies what it has each time: bodies are most of a commit's bytes."""
    ends = list(accumulate(map(len, values), initial=0))
    if ends[-1] >= 1 << 31:
        return pa.array(values, pa.binary())
    offsets = pa.array(ends, pa.int32()).buffers()[1]
    return pa.Array.from_buffers(pa.binary(), len(values), [None, offsets, pa.py_buffer(b"".join(values))])


def store(db: Connection, pages: Sequence[RawPage]) -> None:
    """Write the pages; a page that is there already is replaced."""
    for table, rows in as_rows(pages, db.safe_text):
        db.will_write(table, rows)
        if db.loads and db.load(table, rows, COLUMNS):
            continue
        db.stage(rows, COLUMNS)
        if not _behind(db, table, [page for page in pages if page.table == table]):
            db.do("raw_delete", table=quote(table))
        names = ", ".join(map(quote, COLUMNS))
        db.do("insert_all", table=quote(table), columns=names)
        db.unstage()


def _behind(db: Connection, table: str, pages: Sequence[RawPage]) -> bool:
    """They are of one stream, and behind all of its pages that are there: then none of them is."""
    streams = {StreamKey(page.run_id, page.step, page.slice) for page in pages}
    before, db.left.archived = db.left.archived, None
    if not db.sole or len(streams) != 1:
        return False
    stream, numbers = streams.pop(), [page.page_number for page in pages]
    if before is not None and before[0] == (table, stream):
        highest = before[1]
    else:
        of = tuple(map(db.safe_text, (stream.run_id, stream.step, stream.slice)))
        found = db.do("raw_highest", of, table=quote(table))[0][0]
        highest = -1 if found is None else int(found)
    db.left.archived = (table, stream), max(highest, *numbers)
    return min(numbers) > highest


def read(
    db: Connection, table: str, *, run_id: str | None, page_number: int | None, page_id: int | None
) -> Iterator[RawPage]:
    """Pages in order of ``page_id``; a few megabytes of bodies are in memory at a time."""
    given = {"run_id": run_id, "page_number": page_number, "page_id": page_id}
    filters = {name: value for name, value in given.items() if value is not None}
    condition = " AND ".join(f"{quote(name)} = ?" for name in filters) or "1 = 1"
    params = list(filters.values())
    sizes = db.do("raw_sizes", params, table=quote(table), condition=condition)
    start = 0
    while start < len(sizes):
        end, total = start, 0
        while end < len(sizes) and (total < _CHUNK_BYTES or sizes[end][0] == sizes[end - 1][0]):
            total += int(sizes[end][1])
            end += 1
        db.will_read(total)
        bounds = [sizes[start][0], sizes[end - 1][0], *params]
        for row in db.do("raw_read", bounds, table=quote(table), condition=condition):
            yield as_page(table, (*row[:5], db.micros(row[5]) or 0, *row[6:]))
        start = end


def as_page(table: str, row: tuple[Any, ...]) -> RawPage:
    """A page from its row: run, step, slice, number, id, time in microseconds, URL, status, headers, body as stored,
    masked, encoding, SHA-256. Raises ArchiveMissing, and DestinationError for a damaged body."""
    run, step, slice, number, identifier, fetched, url, status, headers, blob, masked, encoding, digest = row
    place = f"{table}, run {run}, step {step}{f', slice {slice}' if slice else ''}, page {number}"
    if blob is None:
        raise ArchiveMissing(
            "the body of this page was purged", place=place, hint="what is to be rebuilt must be fetched again"
        )
    try:
        body = zstandard.ZstdDecompressor().decompress(bytes(blob)) if encoding == "zstd" else bytes(blob)
    except zstandard.ZstdError as error:
        raise DestinationError(f"the stored body cannot be unpacked: {error}", place=place) from error
    if sha256(body).hexdigest() != digest:
        raise DestinationError("the stored body does not match its SHA-256", place=place)
    return RawPage(
        table=table, run_id=run, step=step, slice=slice, page_number=number, page_id=identifier,
        fetched_at=fetched, url=url, status=status, headers=headers, body=body, masked=masked,
        compression=encoding,
    )  # fmt: skip
