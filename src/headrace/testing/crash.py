"""Kill a crawl with SIGKILL, let it go on, and compare with one that was left alone.

For your own pipeline::

    calm = Crawl("mine.yml", "duckdb:////tmp/calm.duckdb", state=Path("/tmp/calm"))
    torn = replace(calm, destination="duckdb:////tmp/torn.duckdb", state=Path("/tmp/torn"))
    found = survive(torn, deque([At("commit.before_commit"), After(0.3)]), expected=undisturbed(calm))
    assert not found.rows_lost and not found.rows_doubled

Where the API is a sandbox, ``asked`` (its ``stats()["by_request"]``) shows which requests were made again.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeAlias
from urllib.parse import urlsplit

from headrace.core.contracts import Session
from headrace.core.errors import HeadraceError
from headrace.destinations import from_url

VOLATILE = frozenset({"fetched_at", "extracted_at", "_page", "page_id", "valid_from", "rejected_at", "_fetched_at"})
"""Columns that hold a run's own times, and ids made of them: left out of the comparison."""
OPEN_OR_CLOSED = frozenset({"valid_to", "removed_at"})
"""Times of which only the presence is compared."""
FAULT_POINTS = (
    "run.saved", "fetch.sent", "cache.write", "fetch.cached", "fetch.received", "commit.begin", "commit.staged",
    "commit.before_commit", "commit.after_commit", "run.finished", "cache.segment_removed",
)  # fmt: skip
_DERIVED = ("", "_seen", "_current", "_removed", "_rejected")
_LONGEST = 120.0

Asked: TypeAlias = Callable[[], Mapping[str, int]]
"""How often each request (``GET /path?query``) was made so far."""


@dataclass(frozen=True, slots=True)
class At:
    """Die at the ``nth`` passing of a fault point (see :mod:`headrace.core.faults`)."""

    point: str
    nth: int = 1


@dataclass(frozen=True, slots=True)
class After:
    """Die this many seconds after the run has begun."""

    seconds: float


Kill: TypeAlias = At | After


@dataclass(frozen=True, slots=True)
class Crawl:
    """A run as the command line makes it. ``environment`` adds variables, such as the API's key."""

    pipeline: str
    destination: str
    state: Path
    run_id: str = "crash"
    params: Mapping[str, str] = field(default_factory=dict)
    rewrite: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def command(self) -> list[str]:
        """``headrace run`` with a log line for each state change on stderr."""
        given = [f"--param={name}={value}" for name, value in self.params.items()]
        given += [f"--rewrite={host}={url}" for host, url in self.rewrite.items()]
        where = [f"--destination={self.destination}", f"--state={self.state}", f"--run-id={self.run_id}"]
        how = ["--progress=none", "--log-format=json", "-v"]
        return [sys.executable, "-m", "headrace", "run", self.pipeline, *where, *how, *given]


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one process ended."""

    killed: bool
    exit_code: int
    log: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a crawl left behind: rows by table (without volatile columns), bodies by (step, slice, page),
    and where each stream stands."""

    tables: Mapping[str, Counter[tuple[tuple[str, Any], ...]]]
    pages: Mapping[tuple[str, str, int], bytes]
    streams: Mapping[tuple[str, str], tuple[int, Any, bool, int]]


@dataclass(frozen=True, slots=True)
class Figures:
    """``extra`` are requests made again after a kill, the most of any; ``refetched_committed`` are those
    whose page was committed already. Both stay 0 where nobody counts requests."""

    kills: int = 0
    rows_lost: int = 0
    rows_doubled: int = 0
    pages_different: int = 0
    streams_different: int = 0
    refetched_committed: int = 0
    extra: int = 0

    def __add__(self, other: Figures) -> Figures:
        sums = {name: getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__}
        return Figures(**{**sums, "extra": max(self.extra, other.extra)})


def attempt(crawl: Crawl, kill: Kill | None = None) -> Attempt:
    """Run ``crawl`` in a process of its own until it ends or ``kill`` strikes."""
    environment = {**os.environ, **crawl.environment}
    if isinstance(kill, At):
        environment["HEADRACE_FAULT"] = f"{kill.point}:{kill.nth}:kill"
    with subprocess.Popen(
        crawl.command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        log = _Log(process.stderr)
        try:
            if isinstance(kill, After):
                log.begun.wait(_LONGEST)
                time.sleep(kill.seconds)
                process.kill()
            process.wait(_LONGEST)
        finally:
            process.kill()
        log.thread.join()
    return Attempt(process.returncode == -9, process.returncode, log.text)


class _Log:
    """What a process says on stderr, read as it comes."""

    def __init__(self, stream: IO[str]) -> None:
        self.begun = threading.Event()
        self.text = ""
        self.thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self.thread.start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            self.text += line
            self.begun.set()
        self.begun.set()


def finish(crawl: Crawl) -> None:
    """Run ``crawl`` to its end. Raises AssertionError with its log unless it says done."""
    ended = attempt(crawl)
    assert ended.exit_code == 0, f"{crawl.run_id} into {crawl.destination} ended with {ended.exit_code}:\n{ended.log}"


def undisturbed(crawl: Crawl) -> Outcome:
    """What ``crawl`` gives when nobody kills it."""
    finish(crawl)
    return outcome(crawl)


def survive(
    crawl: Crawl,
    kills: deque[Kill],
    *,
    expected: Outcome,
    asked: Asked | None = None,
    forget_cache: bool = False,
) -> Figures:
    """Kill ``crawl`` at each of ``kills``, one attempt after the other, then let it end and compare.

    A kill that struck is taken from ``kills``. One that did not, since the crawl came to its end before, stays
    there with those behind it: for another crawl, into a database of its own. ``forget_cache`` deletes the kept
    answers after each kill; requests are made again then, and are not counted.
    """
    found = Figures()
    start = dict(asked()) if asked else {}
    before: Mapping[str, int] = {}
    committed: set[str] = set()
    ended = Attempt(killed=True, exit_code=-9, log="")
    while ended.killed:
        ended = attempt(crawl, kills[0] if kills else None)
        assert ended.killed or ended.exit_code == 0, f"{crawl} ended with {ended.exit_code}:\n{ended.log}"
        if ended.killed:
            kills.popleft()
            found += Figures(kills=1)
        if forget_cache:
            shutil.rmtree(crawl.state / "cache", ignore_errors=True)
        elif asked:
            now = {name: times - start.get(name, 0) for name, times in asked().items()}
            again = {name: times - before[name] for name, times in now.items() if times > before.get(name, 0) > 0}
            refetched = sum(times for name, times in again.items() if name in committed)
            found += Figures(refetched_committed=refetched, extra=sum(again.values()))
            before, committed = now, committed_requests(crawl)
    if asked and not forget_cache:
        assert committed <= before.keys(), "the archive names requests that nobody counted"
    return found + compare(expected, outcome(crawl))


def compare(expected: Outcome, found: Outcome) -> Figures:
    """How far ``found`` is from ``expected``."""
    names = expected.tables.keys() | found.tables.keys()
    lost = sum((expected.tables.get(n, Counter()) - found.tables.get(n, Counter())).total() for n in names)
    doubled = sum((found.tables.get(n, Counter()) - expected.tables.get(n, Counter())).total() for n in names)
    return Figures(
        rows_lost=lost,
        rows_doubled=doubled,
        pages_different=_differing(expected.pages, found.pages),
        streams_different=_differing(expected.streams, found.streams),
    )


def _differing(one: Mapping[Any, Any], other: Mapping[Any, Any]) -> int:
    missing = object()
    return sum(one.get(key, missing) != other.get(key, missing) for key in one.keys() | other.keys())


def outcome(crawl: Crawl) -> Outcome:
    """Read what ``crawl`` left in its destination."""
    with from_url(crawl.destination).open(read_only=True) as session:
        names = _column(session, 'SELECT "table" FROM headrace_tables')
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
