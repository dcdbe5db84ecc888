"""DuckDB does not try to compress bodies that are compressed already; others it does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import duckdb
import pytest

from headrace.destinations import from_url
from headrace.testing.destination.build import RAW, Writer, page, table

LOG = table("log", "append", {"n": "int"})


def archive(file: Path, compression: Literal["zstd", "none"], first: int, last: int) -> None:
    with from_url(f"duckdb:///{file}").open() as session:
        writer = Writer(session).prepare(LOG)
        for number in range(first, last):
            one = page(number, LOG, [{"n": number}])
            assert one.raw is not None
            writer.commit(replace(one, raw=replace(one.raw, body=b"[1, 2, 3]" * 1000, compression=compression)))
        assert {len(p.body) for p in session.raw_pages(RAW)} == {9000}


def methods(file: Path) -> set[str]:
    with duckdb.connect(str(file)) as db:
        db.execute("CHECKPOINT")
        sql = f"SELECT DISTINCT compression FROM pragma_storage_info('{RAW}') WHERE column_name = 'response_blob'"
        return {str(method) for (method,) in db.execute(f"{sql} AND segment_type = 'BLOB'").fetchall()}


@pytest.mark.parametrize("compression", ["zstd", "none"])
def test_by_what_the_bodies_are(tmp_path: Path, compression: Literal["zstd", "none"]) -> None:
    archive(tmp_path / "x.duckdb", compression, 1, 20)
    assert (methods(tmp_path / "x.duckdb") == {"Uncompressed"}) is (compression == "zstd")
    archive(tmp_path / "x.duckdb", compression, 20, 22)
