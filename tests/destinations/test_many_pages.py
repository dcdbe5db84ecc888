"""A group of very many pages of a record each, as thousands of short slices give it."""

from pathlib import Path

from headrace.core.contracts import Limits
from headrace.core.tables import Advance, Checkpoint, Group, StreamKey
from headrace.destinations import from_url
from headrace.mapping.config import Table
from headrace.mapping.mapper import Mapper

SLICES = 3_000


def test_it_fits_into_the_memory_that_a_crawl_gets(tmp_path: Path) -> None:
    """DuckDB kept a row group for each of them, and ran out of memory at some 1,500."""
    table = Table(table="t", key=["id"], columns={"id": "id", "v": "v"})
    mapper = Mapper([table], known={}, limits=Limits(), lookup=lambda name: "")
    pages = [mapper.map(b'[{"id":%d,"v":"x"}]' % n, page_id=n + 1, fetched_at=n) for n in range(SLICES)]
    keys = [StreamKey("r", "a", str(n)) for n in range(SLICES)]
    with from_url(f"duckdb:///{tmp_path}/many.duckdb").open() as session:
        session.prepare(mapper.specs, ())
        group = Group(
            run_id="r",
            advances=[Advance(None, Checkpoint(key, 1, None, True, "x")) for key in keys],
            batches=[batch for page in pages for batch in page.batches],
            changes=[change for page in pages for change in page.changes],
        )
        assert session.commit(group).rows == {"t": SLICES}
        assert len(session.checkpoints("r")) == SLICES
