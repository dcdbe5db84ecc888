"""Every cell: destination × way of paging × write mode, each struck many times."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from headrace.sandbox import Options, Sandbox, run_in_thread
from headrace.testing.crash import schedule
from headrace.testing.crash.cells import DESTINATIONS, IN_FLIGHT, STYLES, mode_of, pipeline
from headrace.testing.crash.crawl import Crawl, Violation, finish
from headrace.testing.crash.databases import Databases, beside
from headrace.testing.crash.ground import Ground, strike_all, timed
from headrace.testing.crash.inside import Inside
from headrace.testing.crash.outcome import Figures, outcome
from headrace.testing.crash.result import Result
from headrace.testing.crash.zygote import warm

_LATENCY = {"fault": "latency", "params": {"ms": 6, "jitter": 6}}
_MONTH = 30 * 86_400.0
SWEPT = ("sequential", "fanned-out")
"""Between them these have every statement and file operation that there is."""


@dataclass(frozen=True)
class Cell:
    """One destination and style; all write modes are in each of its crawls."""

    destination: str
    style: str
    url: str
    """Beside which databases are made."""
    kills: int
    seed: int
    records: int = 450

    def run(self) -> Result:
        """Strike it. Does not raise: what goes wrong is in the result."""
        result = Result(self.destination, self.style)
        began = time.monotonic()
        draw = random.Random(f"{self.seed} {self.destination} {self.style}")  # noqa: S311 - a schedule, no secret
        try:
            with ExitStack() as stack:
                folder = Path(stack.enter_context(TemporaryDirectory(prefix="headrace-crash-")))
                databases = stack.enter_context(beside(self.url))
                api = stack.enter_context(run_in_thread(Options(seed=2, records=self.records, faults=(_LATENCY,))))
                earlier = stack.enter_context(run_in_thread(Options(seed=1, records=self.records)))
                base = self._earlier_crawl(folder, databases, earlier)
                if self.style in SWEPT:
                    self._sweep(folder, base, earlier, result)
                ground = self._ground(folder, databases, base, api)
                for table, rows in ground.expected.tables.items():
                    mode = mode_of(table)
                    result.modes[table] = mode
                    result.rows[mode] = result.rows.get(mode, 0) + rows.total()
                wanted = schedule.kills(self.kills, ground.seconds, draw)
                wanted += schedule.others(self.destination, ground.seconds, draw)[: self.kills // 2]
                strike_all(ground, schedule.ordered(wanted, draw), result, draw)
        except Violation as broken:
            result.violations.append(str(broken))
        except Exception:  # a cell that cannot be judged is broken, and must not take the others with it
            result.violations.append(traceback.format_exc())
        result.seconds = time.monotonic() - began
        return result

    def _write(self, file: Path, base_url: str, records: int) -> str:
        file.write_text(json.dumps(pipeline(self.style, base_url, records, 10)), encoding="utf-8")
        return str(file)

    def _earlier_crawl(self, folder: Path, databases: Databases, api: Sandbox) -> str:
        """A database in which a crawl of a month ago has ended: other values, and some more rows."""
        file = self._write(folder / "before.yml", api.url, self.records + self.records // 18)
        url = databases.fresh()
        finish(Inside(clock=(-_MONTH,)).of(Crawl(file, url, folder / "before", run_id="before")))
        return url

    def _ground(self, folder: Path, databases: Databases, base: str, api: Sandbox) -> Ground:
        file = self._write(folder / "crash.yml", api.url, self.records)
        calm = Crawl(file, databases.copy(base), folder / "calm")
        seconds = timed(calm)
        expected = outcome(calm)
        numbers = iter(range(1_000_000))

        def fresh() -> Crawl:
            api.reset()
            return replace(calm, destination=databases.copy(base), state=folder / f"torn{next(numbers)}")

        return Ground(
            crawl=calm,
            expected=expected,
            fresh=fresh,
            drop=lambda crawl: databases.drop(crawl.destination),
            asked=lambda: _by_request(api),
            in_flight=IN_FLIGHT[self.style],
            exact=True,
            seconds=seconds,
        )

    def _sweep(self, folder: Path, base: str, api: Sandbox, result: Result) -> None:
        file = self._write(folder / "small.yml", api.url, self.records // 9)
        whole = "state" if (self.destination, self.style) == ("duckdb", "sequential") else "no"
        words = [file, str(folder / "sweep"), base, self.url, whole]
        ended = subprocess.run(
            [sys.executable, "-m", "headrace.testing.crash.sweep", *words], capture_output=True, text=True, check=False
        )
        if ended.returncode:
            result.violations.append(f"a sweep of faults ended with {ended.returncode}:\n{ended.stderr}")
            return
        for kind, found in json.loads(ended.stdout).items():
            result.sweeps[kind] = found.pop("faults")
            tables = {name: (lost, doubled) for name, (lost, doubled) in found.pop("by_table").items()}
            notes = tuple(found.pop("notes"))
            result.figures += Figures(**found, by_table=tables, notes=notes)


def _by_request(api: Sandbox) -> Mapping[str, int]:
    found: Mapping[str, int] = api.stats()["by_request"]
    return found


def cells(urls: Mapping[str, str], number: int, seed: int, records: int = 450) -> list[Cell]:
    """Every cell of the destinations in ``urls``, with ``number`` kills spread over them."""
    pairs = [(destination, style) for style in STYLES for destination in DESTINATIONS if destination in urls]
    each, more = divmod(number, len(pairs))
    return [
        Cell(destination, style, urls[destination], each + (at < more), seed, records)
        for at, (destination, style) in enumerate(pairs)
    ]


def run(wanted: Sequence[Cell], jobs: int) -> Iterator[Result]:
    """Strike ``jobs`` cells at a time; results as they come."""
    with warm(), ThreadPoolExecutor(jobs) as pool:
        try:
            for done in as_completed([pool.submit(cell.run) for cell in wanted]):
                yield done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
