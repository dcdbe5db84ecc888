"""The tables do not depend on how pages were grouped into commits, nor on which slice came first."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from headrace.core.contracts import Session
from headrace.core.tables import TableSpec

from .build import SECOND, START, Page, Writer, page, table
from .model import expected
from .read import contents
from .target import DestinationTests

COLUMNS: dict[str, Any] = {"id": "int", "name": "string", "size": "int"}


def pages(spec: TableSpec, seed: int) -> list[Page]:
    """Twelve pages of three slices in the order they were fetched; their records share six keys."""
    chance = random.Random(seed)  # noqa: S311 - a seeded example
    made = []
    for number in range(1, 5):
        for slice, offset in zip("abc", chance.sample(range(9), 3), strict=True):
            keys = chance.sample(range(6), chance.randint(0, 4))
            rows = [
                {"id": key, "name": chance.choice(["x", "y", None]), "size": chance.choice([1, None])} for key in keys
            ]
            at = START + (number * 10 + offset) * SECOND
            made.append(page(number, spec, rows, run=f"run-{seed}", slice=slice, at=at, body=None))
    return sorted(made, key=lambda each: each.id)


def kind(write: str, seed: int) -> TableSpec:
    """A table of its own for each seed."""
    key = () if write in ("append", "replace") else ("id",)
    options = {"missing": "keep"} if write == "keep" else {}
    disposition = {"keyed append": "append", "keep": "merge"}.get(write, write)
    return table(f"{write.replace(' ', '_')}_{seed}", disposition, COLUMNS, key=key, **options)


def grouped(found: Sequence[Page], seed: int, how: str) -> Iterator[Sequence[Page]]:
    if how == "one group":
        yield found
        return
    chance = random.Random(seed)  # noqa: S311 - a seeded example
    start = 0
    while start < len(found):
        size = 1 if how == "one by one" else chance.randint(1, 5)
        yield found[start : start + size]
        start += size


class Grouping(DestinationTests):
    @pytest.mark.parametrize("write", ["append", "keyed append", "merge", "keep", "replace", "scd2"])
    @pytest.mark.parametrize("how", ["one by one", "one group", "at random"])
    def test_every_grouping_gives_the_same_table(self, session: Session, write: str, how: str) -> None:
        for seed in range(2):
            spec = kind(write, seed)
            writer = Writer(session, f"run-{seed}").prepare(spec)
            found = pages(spec, seed)
            for some in grouped(found, seed, how):
                writer.commit(*some)
            if write == "replace":
                writer.finish(spec)
            assert contents(session, spec) == expected(spec, found), f"seed {seed}"

    @pytest.mark.parametrize("order", ["cab", "bca"])
    @pytest.mark.parametrize("how", ["one by one", "at random"])
    def test_slices_in_any_order_merge_to_the_same_table(self, session: Session, how: str, order: str) -> None:
        for seed in range(2):
            spec = kind("merge", seed)
            writer = Writer(session, f"run-{seed}").prepare(spec)
            found = pages(spec, seed)
            shuffled = sorted(found, key=lambda each: (order.index(each.key.slice), each.number))
            for some in grouped(shuffled, seed, how):
                writer.commit(*some)
            assert contents(session, spec) == expected(spec, found), f"seed {seed}"
