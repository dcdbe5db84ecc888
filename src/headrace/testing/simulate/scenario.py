"""What one seed plays: an API, a crawl, a destination, and what goes wrong."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from random import Random
from typing import Any, Literal

from headrace.core.contracts import Auth, Paginator, Session
from headrace.core.http import Request
from headrace.core.paths import Path, parse
from headrace.core.tables import Disposition
from headrace.core.templates import Lookup
from headrace.crawl import slices
from headrace.crawl.plan import CrawlPlan, IncrementalPlan, SlicePlan
from headrace.mapping.config import Table
from headrace.sources.auth.oauth2 import OAuth2Auth
from headrace.sources.paginate.cursor import CursorPages
from headrace.sources.paginate.link import LinkPages
from headrace.sources.paginate.none import SinglePage
from headrace.sources.paginate.offset import OffsetPages
from headrace.sources.paginate.page import NumberedPages
from headrace.sources.ratelimit import RateLimit

Style = Literal["cursor", "page", "offset", "link", "header", "none"]
Ending = Literal["null", "more", "pages", "total", "empty", "404"]
Database = Literal["model", "sqlite", "duckdb"]
Kept = Literal["kept", "lost", "none"]

BASE = "https://api.example"
TOKEN_URL = f"{BASE}/token"
RUN, SCOPE = "run", "scope"
_ENDINGS: dict[Style, tuple[Ending, ...]] = {
    "cursor": ("null", "more"),
    "page": ("more", "pages", "total", "empty", "404"),
    "offset": ("more", "total", "empty"),
    "link": ("null",),
    "header": ("null",),
    "none": ("null",),
}


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything that is decided before the first process begins."""

    seed: int
    style: Style
    ending: Ending
    page_size: int
    limit: int
    """What the crawl asks for; the server may give less."""
    sizes: tuple[int, ...]
    """Records of each stream (one, unless sliced)."""
    sliced: Literal["", "each", "rows"]
    overlapping: bool
    """Slices share keys."""
    side_by_side: int
    window: int
    write: Disposition
    keyed: bool
    oauth: bool
    faults: int
    """How many of the API's and the database's faults may happen."""
    fault_rate: float
    drift: float
    """How often the API's data changes between two requests."""
    lies: bool
    """The API gives fewer records than it declares."""
    widens: bool
    """The column v turns from integer to text on the way."""
    padded: bool
    """First pages are so large that they are opened on another thread."""
    incremental: bool
    page_limit: int | None
    budget: int | None
    max_pages: int
    cache: Kept
    deaths: int
    overlap: float
    """How often a process is frozen, and goes on beside its successor."""
    stops: float
    """How often a process is asked to stop."""
    bytes_bound: int
    commit_every: float
    database: Database

    def describe(self) -> str:
        return " ".join(f"{f.name}={getattr(self, f.name)!r}" for f in fields(self))


def draw(seed: int, database: Database | None = None) -> Scenario:
    """The scenario of ``seed``; ``database`` overrides where it goes."""
    r = Random(seed)  # noqa: S311 - a seed, not a secret
    style: Style = r.choice(("cursor", "page", "page", "offset", "offset", "link", "header", "none"))
    ending = r.choice(_ENDINGS[style])
    sliced: Any = r.choice(("", "", "each", "rows"))
    page_size = r.randint(1, 4)
    streams = r.randint(2, 6) if sliced else 1
    most = 4 if style == "none" else page_size * (5 if sliced else 12)
    write: Disposition = r.choice(("append", "append", "merge", "merge", "replace", "sync", "scd2"))
    lies = style in ("cursor", "page", "offset") and r.random() < 0.06
    if lies:
        ending = "null" if style == "cursor" else "total"
    limit = page_size if style in ("page", "none") or r.random() < 0.7 else page_size + 1
    where = r.random()
    capped = not lies and r.random() < 0.1
    return Scenario(
        seed=seed,
        style=style,
        ending=ending,
        page_size=page_size,
        limit=limit,
        sizes=tuple(r.randint(3 if lies else 0, max(3, most)) for _ in range(streams)),
        sliced=sliced,
        overlapping=bool(sliced) and r.random() < 0.5,
        side_by_side=r.randint(1, 4),
        window=r.choice((1, 1, 2, 3, 5)),
        write=write,
        keyed=write in ("merge", "sync", "scd2") or r.random() < 0.5,
        oauth=r.random() < 0.25,
        faults=r.choice((0, 2, 8, 20)),
        fault_rate=r.choice((0.05, 0.2, 0.4)),
        drift=0.0 if lies else r.choice((0.0, 0.0, 0.1, 0.4)),
        lies=lies,
        widens=r.random() < 0.2,
        padded=r.random() < 0.005,
        incremental=r.random() < 0.2,
        page_limit=r.randint(1, 4) if r.random() < 0.15 and not capped else None,
        budget=r.randint(2, 12) if r.random() < 0.15 and not capped else None,
        max_pages=r.randint(1, 6) if capped else 10_000,
        cache=r.choice(("kept", "kept", "kept", "lost", "none")),
        deaths=r.choice((0, 3, 20, 40, 80)),
        overlap=r.choice((0.0, 0.0, 0.0, 0.3)),
        stops=r.choice((0.0, 0.0, 0.1)),
        bytes_bound=r.choice((1 << 20, 1 << 20, 4000)),
        commit_every=r.choice((0.0, 0.05, 0.3, 1.0)),
        database=database or ("duckdb" if where < 0.002 else "sqlite" if where < 0.03 else "model"),
    )


def plans(s: Scenario) -> list[CrawlPlan]:
    """The steps: where slices come from rows, the first one fetches those."""
    steps = [_plan(s, "items")]
    if s.sliced == "rows":
        steps.insert(0, _plan(s, "parents"))
    return steps


def _plan(s: Scenario, step: str) -> CrawlPlan:
    sliced = s.sliced if step == "items" else ""
    end_on = frozenset({404}) if s.ending == "404" else frozenset[int]()
    rate = RateLimit(requests_per_second=500, concurrency=s.window if not sliced else max(s.window, s.side_by_side),
                     budget=s.budget, max_retries=2)  # fmt: skip
    return CrawlPlan(
        step=step,
        title=step,
        request=_sliced_request if sliced else _request(f"{BASE}/{step}"),
        paginator=_paginator(s.style, s.ending, s.limit, s.lies),
        data_path=_ITEMS,
        tables=[_table(step, s.write, s.keyed)] if step == "items" else [_table(step, "append", False)],
        host="api.example",
        auth=_auth() if s.oauth else None,
        end_on=end_on,
        rate_limit=rate,
        raw_table="pages",
        compression="none",
        slices=SlicePlan(_each(len(s.sizes)) if sliced == "each" else _rows, s.side_by_side, 1) if sliced else None,
        incremental=IncrementalPlan("since", _ID) if s.incremental else None,
        max_pages=s.max_pages,
        commit_every=s.commit_every,
        bytes_on_the_way=s.bytes_bound,
    )


_ITEMS: Path = parse("items")
_ID: Path = parse("id")


def _request(url: str) -> Any:
    return lambda lookup: Request("GET", url)


def _sliced_request(lookup: Lookup) -> Request:
    return Request("GET", f"{BASE}/items/{lookup('slice.id')}")


def _each(number: int) -> Any:
    return lambda session: slices.each({"id": list(range(number))})


def _rows(session: Session) -> Any:
    return slices.rows(session, "SELECT id FROM parents ORDER BY id", ())


@cache
def _auth() -> Auth:
    return OAuth2Auth(token_url=TOKEN_URL, provider="example")


@cache
def _table(name: str, write: Disposition, keyed: bool) -> Table:
    columns: dict[str, Any] = {"id": {"path": "id", "type": "int"}, "name": "name", "v": "v"}
    return Table(table=name, key=["id"] if keyed else [], columns=columns, write=write)


@cache
def _paginator(style: Style, ending: Ending, limit: int, lies: bool) -> Paginator:
    more = "more" if ending == "more" else None
    total = "total" if ending == "total" or lies else None
    if style == "cursor":
        return CursorPages(type="cursor", response_path="next", more_path=more, total_path=total)
    if style == "page":
        return NumberedPages(
            type="page", more_path=more, total_path=total, pages_path="pages" if ending == "pages" else None
        )
    if style == "offset":
        return OffsetPages(type="offset", limit=limit, more_path=more, total_path=total)
    if style == "none":
        return SinglePage(type="none")
    return LinkPages(type="link", response_path="next" if style == "link" else "")
