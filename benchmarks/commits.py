"""Commits alone: CPU of each, and the process's memory as they go on (``commits.py [--commits N] [--url URL]``).

A commit is 10,000 records of about 1.8 KB on 100 pages, into a table with a key and its archive.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import records

from headrace.core.contracts import Session
from headrace.core.tables import Advance, Batch, Checkpoint, Group, RawPage, StreamKey, TableSpec, page_id
from headrace.core.types import ColumnType
from headrace.destinations import from_url

ROWS, PAGE = 10_000, 100
TYPES: dict[str, ColumnType] = {
    "id": "string", "imdbId": "string", "tmdbId": "string", "itemType": "string", "showType": "string",
    "title": "string", "originalTitle": "string", "overview": "string", "releaseYear": "int", "rating": "int",
    "score": "float", "runtime": "int", "adult": "bool", "genres": "json", "directors": "json", "cast": "json",
    "imageSet": "json", "externals": "json", "streamingOptions": "json",
}  # fmt: skip
SPEC = TableSpec("shows", "merge", dict(TYPES), key=("id",), membership=True)
KEY = StreamKey("run-1", "crawl")
_ARROW = {"string": pa.string(), "json": pa.string(), "int": pa.int64(), "float": pa.float64(), "bool": pa.bool_()}


def groups(count: int) -> Iterator[Group]:
    """As a crawl would commit them; only identifiers differ between groups."""
    bodies = [records.page(number, PAGE, ROWS) for number in range(ROWS // PAGE)]
    pages = []
    for number in range(ROWS // PAGE):
        rows = [records.record(number * PAGE + i) for i in range(PAGE)]
        columns = {
            name: [json.dumps(r[name]) if kind == "json" else r[name] for r in rows] for name, kind in TYPES.items()
        }
        pages.append({name: pa.array(values, _ARROW[TYPES[name]]) for name, values in columns.items()})
    at, expected, made = 1_750_000_000_000_000, None, 0
    for turn in range(count):
        batches, raw = [], []
        for columns, body in zip(pages, bodies, strict=True):
            made += 1
            identity = page_id(at + made * 1000, KEY, made)
            ids = pa.array([f"{turn}-{value}" for value in columns["id"].to_pylist()])
            arrays = columns | {"id": ids, "_page": pa.array([identity] * PAGE), "_record": pa.array(range(PAGE))}
            batches.append(Batch("shows", pa.RecordBatch.from_pydict(arrays), TYPES))
            body = body.replace(b'"id":"', b'"id":"%d-' % turn)
            raw.append(RawPage("raw", "run-1", "crawl", "", made, identity, at + made * 1000, f"http://api.example/?cursor={made}",
                               200, "{}", body))  # fmt: skip
        standing = Checkpoint(KEY, made, f"cursor-{made}", attempt=f"attempt-{turn}")
        yield Group("run-1", "scope", [Advance(expected, standing)], batches, raw)
        expected = standing


def memory(name: str) -> float:
    """A figure of this process in MB: ``VmRSS``, ``VmHWM`` (the peak)."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024


def crawl(session: Session, count: int) -> None:
    session.prepare([SPEC], ["raw"])
    cpu, early = [], 0.0
    source = groups(count)
    for number in range(count):
        group = next(source)
        started = time.process_time()
        session.commit(group)
        cpu.append(time.process_time() - started)
        del group
        if number == 1:
            early = memory("VmHWM")
        if number % 10 == 9:
            print(f"  {(number + 1) * ROWS:9,} rows: RSS {memory('VmRSS'):6.1f} MB, peak {memory('VmHWM'):6.1f} MB, "
                  f"commit {statistics.median(cpu[-10:]):.3f} CPU s", flush=True)  # fmt: skip
    late = memory("VmHWM")
    print(f"commit: {statistics.median(cpu):.3f} CPU s (first {cpu[0]:.3f}); peak at 20,000 rows {early:.0f} MB, "
          f"at the end {late:.0f} MB: {late / early:.2f} times")  # fmt: skip


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--commits", type=int, default=20)
    options.add_argument("--url", help="an empty database; a DuckDB file of its own if not given")
    given = options.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        from_url(given.url or f"duckdb:///{folder}/commits.duckdb").open() as session,
    ):
        crawl(session, given.commits)


if __name__ == "__main__":
    main()
