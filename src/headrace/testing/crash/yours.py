"""A user's own pipeline and destinations, with an API that answers each request once and is remembered."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from headrace import pipelines
from headrace.core.errors import UsageError
from headrace.destinations import from_url
from headrace.pipeline.load import draft
from headrace.testing.crash import schedule
from headrace.testing.crash.crawl import Crawl, Violation, finish
from headrace.testing.crash.databases import Databases, beside
from headrace.testing.crash.ground import Ground, strike_all, timed
from headrace.testing.crash.outcome import committed_requests, compare, outcome
from headrace.testing.crash.recorder import Memory, parameters, recording
from headrace.testing.crash.result import Result
from headrace.testing.crash.zygote import warm

_ORIGIN = re.compile(r"https?://[^/\s\"'{}?#\\]+")


@dataclass(frozen=True)
class Wish:
    """What is to be struck. ``rewrite``: host to the URL that is asked instead."""

    pipeline: str
    destinations: tuple[str, ...]
    kills: int
    seed: int = 1
    params: Mapping[str, str] = field(default_factory=dict)
    rewrite: Mapping[str, str] = field(default_factory=dict)
    secrets_file: Path | None = None


def run(wish: Wish) -> Iterator[Result]:
    """Strike ``wish``'s pipeline in each of its destinations. Raises HeadraceError for a file, an input or a
    destination that cannot be used, and where two undisturbed runs differ."""
    each, more = divmod(wish.kills, len(wish.destinations))
    with ExitStack() as stack:
        stack.enter_context(warm())
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="headrace-crash-")))
        memory = Memory()
        rewrite = {
            origin: stack.enter_context(recording(upstream, memory))
            for origin, upstream in _upstreams(wish, stack).items()
        }
        for at, url in enumerate(wish.destinations):
            with beside(url) as databases:
                own = folder / str(at)
                crawl = Crawl(
                    wish.pipeline, "", own, params=wish.params, rewrite=rewrite, secrets_file=wish.secrets_file
                )
                yield _strike(wish, crawl, databases, memory, each + (at < more), from_url(url).url.partition(":")[0])


def _upstreams(wish: Wish, stack: ExitStack) -> dict[str, str]:
    """Origin that the file names to the one that answers for it. Built-in pipelines have a stand-in."""
    loaded = draft(wish.pipeline).bind(params=wish.params)
    origins = sorted(set(_ORIGIN.findall(json.dumps(loaded.resolved()))))
    if not origins:
        raise UsageError(f"{wish.pipeline} names no host", hint="a crash test needs an API to ask")
    if wish.pipeline in pipelines.names() and not wish.rewrite:
        from headrace.sandbox import run_in_thread

        sandbox = stack.enter_context(run_in_thread())
        return dict.fromkeys(origins, sandbox.url)
    found = {}
    for origin in origins:
        parts = urlsplit(origin)
        names = (origin, parts.netloc, parts.hostname or "")
        found[origin] = next((wish.rewrite[name] for name in names if name in wish.rewrite), origin)
    return found


def _strike(wish: Wish, crawl: Crawl, databases: Databases, memory: Memory, kills: int, kind: str) -> Result:
    began = time.monotonic()
    result = Result(kind, Path(wish.pipeline).stem)
    try:
        ground = _ground(crawl, databases, memory)
        for table, rows in ground.expected.tables.items():
            result.modes[table] = table
            result.rows[table] = rows.total()
        draw = random.Random(f"{wish.seed} {kind}")  # noqa: S311 - a schedule, no secret
        wanted = schedule.kills(kills, ground.seconds, draw)
        wanted += schedule.others(kind, ground.seconds, draw)[: kills // 2]
        strike_all(ground, schedule.ordered(wanted, draw), result, draw)
    except Violation as broken:
        result.violations.append(str(broken))
    result.seconds = time.monotonic() - began
    return result


def _ground(crawl: Crawl, databases: Databases, memory: Memory) -> Ground:
    numbers = count()

    def fresh() -> Crawl:
        with memory.lock:
            memory.counts.clear()
        return replace(crawl, destination=databases.fresh(), state=crawl.state / f"torn{next(numbers)}")

    first = fresh()
    finish(first)
    calm = fresh()
    memory.in_flight_max = 0
    seconds = timed(calm)
    expected = outcome(calm)
    differing = compare(expected, outcome(first))
    if not differing.clean:
        tables = ", ".join(sorted(differing.by_table)) or "the archive"
        raise UsageError(
            f"two runs that were left alone differ ({tables}), so nothing can be said about one that was not",
            hint="give inputs that make every request the same (no {now} in a request, no random values)",
        )
    databases.drop(first.destination)
    committed = committed_requests(calm)
    names = parameters(committed)
    return Ground(
        crawl=calm,
        expected=expected,
        fresh=fresh,
        drop=lambda done: databases.drop(done.destination),
        asked=lambda: memory.asked(names),
        in_flight=max(1, memory.in_flight_max),
        exact=committed <= memory.asked(names).keys(),
        seconds=seconds,
    )
