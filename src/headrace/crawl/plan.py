"""What a crawl does, with every default filled in and no YAML left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from headrace.core.contracts import Auth, Decoder, Paginator, Session
from headrace.core.http import Request
from headrace.core.paths import Path
from headrace.core.tables import SliceState
from headrace.core.templates import Lookup
from headrace.mapping.config import Table
from headrace.sources.ratelimit import RateLimit

BYTES_ON_THE_WAY = 20 << 20
"""Fetched and not committed, over all streams of a step."""


@dataclass(frozen=True, slots=True)
class SlicePlan:
    """The parts of a sliced crawl. ``freeze`` lists them once, at the start of the run."""

    freeze: Callable[[Session], Iterable[SliceState]]
    concurrency: int = 4
    retry: int = 1


@dataclass(frozen=True, slots=True)
class IncrementalPlan:
    """The mark's parameter, where records show it, its first value and how far to look back (seconds)."""

    param: str
    path: Path
    start: Any = None
    lookback: int = 0


@dataclass(frozen=True, slots=True)
class CrawlPlan:
    """One extract step. ``request`` builds the first request for a lookup (a slice adds variables)."""

    step: str
    title: str
    request: Callable[[Lookup], Request]
    paginator: Paginator
    data_path: Path
    tables: Sequence[Table]
    host: str = ""
    """What is limited together: the API's host."""
    auth: Auth | None = None
    decoder: Decoder | None = None
    error_path: Path | None = None
    ok_path: Path | None = None
    end_on: frozenset[int] = frozenset()
    rate_limit: RateLimit = field(default_factory=RateLimit)
    origins: frozenset[str] = frozenset()
    raw_table: str | None = None
    compression: Literal["zstd", "none"] = "zstd"
    slices: SlicePlan | None = None
    incremental: IncrementalPlan | None = None
    max_pages: int = 10_000
    commit_every: float | None = None
    """Seconds between commits, where the file says it."""
    bytes_on_the_way: int = BYTES_ON_THE_WAY
    max_rejected: float = 0.01
    removed_after: int = 1
    """Complete crawls without a row before it counts as removed, unless the table says."""


@dataclass(frozen=True, slots=True)
class CrawlResult:
    """How it ended. ``suspicions`` are (seen, remedy) pairs; ``status`` is done, partial, suspect, failed
    or interrupted."""

    status: Literal["done", "partial", "suspect", "failed", "interrupted"]
    rows: Mapping[str, int]
    records: int
    pages: int
    requests: int
    cached: int
    suspicions: Sequence[tuple[str, str]] = ()
    error: str = ""
