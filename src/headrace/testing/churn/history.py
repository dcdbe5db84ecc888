"""What one seed plays: an API, its scopes, a table, and how many crawls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from random import Random
from typing import Any, Literal

from headrace.core.contracts import Paginator
from headrace.core.http import Request
from headrace.core.paths import parse
from headrace.core.templates import Lookup
from headrace.crawl import slices
from headrace.crawl.plan import CrawlPlan, SlicePlan
from headrace.mapping.config import Table
from headrace.sources.paginate.cursor import CursorPages
from headrace.sources.paginate.link import LinkPages
from headrace.sources.paginate.offset import OffsetPages
from headrace.sources.paginate.page import NumberedPages
from headrace.sources.ratelimit import RateLimit

Style = Literal["cursor", "link", "page", "offset"]
Database = Literal["memory", "sqlite", "duckdb"]
BASE = "https://api.example"
TABLE, STEP = "items", "crawl"
GROUPS = "abcd"
"""Every record is in one or more of these; a scope asks for some of them."""


@dataclass(frozen=True, slots=True)
class History:
    """Everything that is decided before the first crawl."""

    seed: int
    database: Database
    style: Style
    totals: bool
    """The API declares how many records there are."""
    page_size: int
    population: int
    scopes: Mapping[str, str]
    """Name to the groups that it asks for; they overlap."""
    sliced: bool
    """A scope asks for its groups one by one, side by side; else for all of them in one list."""
    write: Literal["merge", "scd2"]
    after_missing: int | None
    max_share: float
    window: int
    steps: int
    """Calls: new runs, resumed ones, acceptances, decisions."""
    churn: float
    """Changes between two calls, as a share of the population."""
    drift: float
    """How often something changes between two requests."""
    poison: float
    """How often a record comes with a value that cannot be stored."""

    @property
    def ordered(self) -> bool:
        """Pages follow a key, not places: what is there from the first request to the last is seen."""
        return self.style in ("cursor", "link")

    @property
    def removed_after(self) -> int:
        return self.after_missing or (1 if self.ordered else 2)

    def describe(self) -> str:
        return " ".join(f"{f.name}={getattr(self, f.name)!r}" for f in fields(self))


def draw(seed: int, database: Database = "memory") -> History:
    """The history of ``seed``."""
    r = Random(seed)  # noqa: S311 - a seed, not a secret
    names = "xyz"[: r.choice((1, 2, 2, 3))]
    return History(
        seed=seed,
        database=database,
        style=r.choice(("cursor", "cursor", "link", "page", "offset")),
        totals=r.random() < 0.4,
        page_size=r.randint(1, 5),
        population=r.randint(4, 24),
        scopes={name: "".join(sorted(r.sample(GROUPS, r.randint(1, 3)))) for name in names},
        sliced=r.random() < 0.5,
        write=r.choice(("merge", "merge", "scd2")),
        after_missing=r.choice((None, None, None, 1, 2, 3)),
        max_share=r.choice((0.2, 0.2, 0.5, 1.0)),
        window=r.choice((1, 1, 3)),
        steps=r.randint(8, 24),
        churn=r.choice((0.0, 0.05, 0.15, 0.4)),
        drift=r.choice((0.0, 0.0, 0.1, 0.5)),
        poison=r.choice((0.0, 0.0, 0.0, 0.05)),
    )


def plan(h: History, scope: str, *, max_pages: int, budget: int | None, lies: bool) -> CrawlPlan:
    """A crawl of ``scope``; ``lies``: the API declares totals, and they are wrong."""
    groups = h.scopes[scope]
    rate = RateLimit(requests_per_second=1000, concurrency=max(h.window, 2), budget=budget, max_retries=0)
    return CrawlPlan(
        step=STEP,
        title=STEP,
        request=_of_slice if h.sliced else _of_groups(groups),
        paginator=_paginator(h.style, h.totals or lies, h.page_size),
        data_path=parse("items"),
        tables=[_table(h.write, h.after_missing, h.max_share)],
        host="api.example",
        rate_limit=rate,
        raw_table="pages",
        compression="none",
        slices=SlicePlan(lambda session: slices.each({"group": list(groups)}), 2, 0) if h.sliced else None,
        max_pages=max_pages,
        commit_every=0.000_001,
        max_rejected=1.0,
        removed_after=1 if h.ordered else 2,
    )


def _of_slice(lookup: Lookup) -> Request:
    return Request("GET", f"{BASE}/{lookup('slice.group')}")


def _of_groups(groups: str) -> Any:
    return lambda lookup: Request("GET", f"{BASE}/{groups}")


@cache
def _paginator(style: Style, totals: bool, limit: int) -> Paginator:
    total = "total" if totals else None
    if style == "cursor":
        return CursorPages(type="cursor", response_path="next", total_path=total)
    if style == "link":
        return LinkPages(type="link", response_path="next", total_path=total)
    if style == "page":
        return NumberedPages(type="page", more_path="more", total_path=total)
    return OffsetPages(type="offset", limit=limit, more_path="more", total_path=total)


@cache
def _table(write: Any, after: int | None, share: float) -> Table:
    columns: dict[str, Any] = {"id": {"path": "id", "type": "int"}, "v": {"path": "v", "type": "int"}}
    removals: Any = {"after_missing": after, "max_share": share}
    contract: Any = {"types": "quarantine"}
    return Table(table=TABLE, key=["id"], columns=columns, write=write, removals=removals, contract=contract)
