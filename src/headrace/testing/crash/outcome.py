"""What a crawl left behind, and how far it is from what it should have left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from headrace.core.contracts import Session
from headrace.core.errors import HeadraceError
from headrace.destinations import from_url
from headrace.testing.crash.crawl import Crawl

VOLATILE = frozenset({"fetched_at", "extracted_at", "_page", "page_id", "valid_from", "rejected_at", "_fetched_at"})
"""Columns that hold a run's own times, and ids made of them: left out of the comparison."""
OPEN_OR_CLOSED = frozenset({"valid_to", "removed_at"})
"""Times of which only the presence is compared."""
_MADE_BY_SQL = 'SELECT DISTINCT "table" FROM headrace_schemas'
_DERIVED = ("", "_seen", "_current", "_removed", "_rejected")


@dataclass(frozen=True, slots=True)
class Outcome:
    """Rows by table (without volatile columns), bodies by (step, slice, page), and where each stream stands."""

    tables: Mapping[str, Counter[tuple[tuple[str, Any], ...]]]
    pages: Mapping[tuple[str, str, int], bytes]
    streams: Mapping[tuple[str, str], tuple[int, Any, bool, int]]


_ADDED = (
    "kills", "strikes", "rows_lost", "rows_doubled", "pages_different", "streams_different", "refetched_committed",
    "notes",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Figures:
    """``extra`` are requests made again after a strike, the most of any, ``over`` those of them that were more
    than were in flight; ``refetched_committed`` are requests whose page was committed already. All three stay 0
    where nobody counts requests. ``by_table``: rows lost and doubled of each table that has any; ``notes``: what was
    done where requests were made again that must not be."""

    kills: int = 0
    strikes: int = 0
    rows_lost: int = 0
    rows_doubled: int = 0
    pages_different: int = 0
    streams_different: int = 0
    refetched_committed: int = 0
    extra: int = 0
    over: int = 0
    by_table: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __add__(self, other: Figures) -> Figures:
        added: dict[str, Any] = {name: getattr(self, name) + getattr(other, name) for name in _ADDED}
        tables = dict(self.by_table)
        for name, (lost, doubled) in other.by_table.items():
            before = tables.get(name, (0, 0))
            tables[name] = (before[0] + lost, before[1] + doubled)
        added |= {"extra": max(self.extra, other.extra), "over": max(self.over, other.over)}
        return Figures(**added, by_table=tables)

    @property
    def clean(self) -> bool:
        """Nothing is lost, doubled, different or asked for again."""
        return not any((
            self.rows_lost, self.rows_doubled, self.pages_different, self.streams_different,
            self.refetched_committed, self.over,
        ))  # fmt: skip


def compare(expected: Outcome, found: Outcome) -> Figures:
    """How far ``found`` is from ``expected``."""
    by_table = {}
    for name in expected.tables.keys() | found.tables.keys():
        want, have = expected.tables.get(name, Counter()), found.tables.get(name, Counter())
        lost, doubled = (want - have).total(), (have - want).total()
        if lost or doubled:
            by_table[name] = (lost, doubled)
    return Figures(
        rows_lost=sum(lost for lost, _ in by_table.values()),
        rows_doubled=sum(doubled for _, doubled in by_table.values()),
        pages_different=_differing(expected.pages, found.pages),
        streams_different=_differing(expected.streams, found.streams),
        by_table=by_table,
    )


def _differing(one: Mapping[Any, Any], other: Mapping[Any, Any]) -> int:
    missing = object()
    return sum(one.get(key, missing) != other.get(key, missing) for key in one.keys() | other.keys())


def outcome(crawl: Crawl) -> Outcome:
    """Read what ``crawl`` left in its destination."""
    with from_url(crawl.destination).open(read_only=True) as session:
        names = {*_column(session, 'SELECT "table" FROM headrace_tables'), *_column(session, _MADE_BY_SQL)}
        tables = {
            f"{name}{suffix}": _rows(session, f"{name}{suffix}")
            for name in names
            for suffix in _DERIVED
            if _exists(session, f"{name}{suffix}")
        }
        return Outcome(
            tables=tables,
            pages={(p.step, p.slice, p.page_number): p.body for p in _raw_pages(session, crawl)},
            streams={
                (at.key.step, at.key.slice): (at.page_number, at.cursor_next, at.done, at.rows)
                for at in session.checkpoints(crawl.run_id)
                if not at.key.slice.startswith("#")  # the engine's own: counts what one call did
            },
        )


def committed_requests(crawl: Crawl) -> set[str]:
    """The requests whose answers are in the archive, as a sandbox counts them; empty before the first commit."""
    destination = from_url(crawl.destination)
    path = getattr(destination, "path", None)
    if path is not None and not Path(path).exists():
        return set()
    with destination.open(read_only=True) as session:
        if not _exists(session, "headrace_runs"):
            return set()
        return {f"GET {_target(page.url)}" for page in _raw_pages(session, crawl)}


def _target(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _raw_pages(session: Session, crawl: Crawl) -> Iterable[Any]:
    record = session.run(crawl.run_id)
    if record is None:
        return
    for entry in record.resolved["steps"]:
        table = (entry["config"].get("raw") or {}).get("table") or f"{entry['step']}_raw_pages"
        if _exists(session, table):
            yield from session.raw_pages(table, run_id=crawl.run_id)


def _rows(session: Session, table: str) -> Counter[tuple[tuple[str, Any], ...]]:
    quoted = table.replace('"', '""')
    found: Counter[tuple[tuple[str, Any], ...]] = Counter()
    for batch in session.query(f'SELECT * FROM "{quoted}"'):
        for row in batch.to_pylist():
            found[
                tuple(sorted((name, _plain(name, value)) for name, value in row.items() if name not in VOLATILE))
            ] += 1
    return found


def _plain(name: str, value: Any) -> Any:
    if name in OPEN_OR_CLOSED:
        return value is not None
    return value if value is None or isinstance(value, str | int | float | bool | bytes) else repr(value)


def _exists(session: Session, table: str) -> bool:
    quoted = table.replace('"', '""')
    try:
        _column(session, f'SELECT count(*) FROM "{quoted}"')
    except HeadraceError:
        return False
    return True


def _column(session: Session, sql: str) -> list[Any]:
    return [value for batch in session.query(sql) for value in batch.column(0).to_pylist()]
