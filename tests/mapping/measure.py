"""CPU of mapping per record: ``python tests/mapping/measure.py [records a page] [pages]``."""

from __future__ import annotations

import gc
import sys
import time

from headrace.core.contracts import Limits
from headrace.mapping.config import Column, Prefer, Table, TableTarget, Transform
from headrace.mapping.mapper import Mapper
from headrace.mapping.spec import legacy_table
from headrace.testing.titles import page

TITLES = Table(
    table="titles",
    key=["id"],
    columns={
        **{
            name: name
            for name in (
                "id", "imdbId", "tmdbId", "itemType", "showType", "title", "originalTitle", "overview", "rating", "score",
                "runtime", "adult", "genres", "directors", "cast", "imageSet",
            )
        },
        "release_year": Column(path=["releaseYear", "firstAirYear"], type="int"),
        "updated_at": Column(path="updatedAt", type="timestamp"),
        "streaming": Column(path="streamingOptions", type="json"),
        "last_seen_run_id": Column(value="{run_id}"),
    },
)  # fmt: skip
OFFERS = Table(
    table="offers",
    each="streamingOptions.*.*",
    key=["id", "country", "service_id", "offer_type"],
    prefer=[Prefer(column="quality", order=["uhd", "hd", "sd"]), Prefer(column="available_since")],
    columns={
        "id": "^.id",
        "country": Column(key=1, apply=["upper"]),
        "service_id": "service.id",
        "offer_type": "type",
        "link": "link",
        "quality": "quality",
        "price": Column(path="price.amount", type="decimal"),
        "currency": "price.currency",
        "audios": Column(path="audios", type="json"),
        "available_since": Column(path="availableSince", apply=["epoch_seconds"]),
    },
)
NARROW = TITLES.model_copy(update={"columns": {k: v for k, v in (TITLES.columns or {}).items() if k != "streaming"}})


def measure(name: str, tables: list[Table], pages: list[bytes], size: int) -> None:
    mapper = Mapper(tables, known={}, limits=Limits(), lookup=lambda name: name)
    started = time.process_time()
    mapper.map(pages[0], page_id=0, fetched_at=0)
    first = time.process_time() - started
    gc.collect()
    best = []
    for number, text in enumerate(pages[1:], 1):
        started = time.process_time()
        mapper.map(text, page_id=number, fetched_at=number)
        best.append(time.process_time() - started)
    mean = sum(best) / len(best) / size * 1e6
    print(f"{name:34} {mean:7.1f} us/record (best page {min(best) / size * 1e6:.1f}), first page {first * 1e3:.1f} ms")


def main() -> None:
    size, count = (int(a) for a in (sys.argv[1:3] or ("100", "60")))
    pages = [page(size, first=n * size) for n in range(count)]
    print(f"{sum(map(len, pages)) // (size * count)} bytes a record, {size} records a page")
    measure("titles", [NARROW], pages, size)
    measure("titles + offers", [NARROW, OFFERS], pages, size)
    measure("titles with options as json + offers", [TITLES, OFFERS], pages, size)
    measure("flattened", [legacy_table(TableTarget(table="t"), Transform(flatten=True))], pages, size)
    measure("raw form, keyed", [legacy_table(TableTarget(table="t", key_fields=["id"]), Transform())], pages, size)
    measure("titles, change_hash", [NARROW.model_copy(update={"change_hash": True})], pages, size)


if __name__ == "__main__":
    main()
