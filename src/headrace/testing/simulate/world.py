"""Everything that outlives a process, the account of what was asked and committed, and who dies when."""

from __future__ import annotations

import shutil
from collections import Counter, deque
from collections.abc import Mapping
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import mkdtemp
from typing import Any

from headrace.core.tables import Group
from headrace.crawl.extract import FINISHED
from headrace.testing.simulate.api import Api
from headrace.testing.simulate.cache import Disk
from headrace.testing.simulate.loop import OWNER, SimulatedLoop, Vanished
from headrace.testing.simulate.place import Place
from headrace.testing.simulate.process import Process
from headrace.testing.simulate.scenario import Scenario, plans

_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a folder of its own is made there
Stream = tuple[str, str]
"""Step and slice."""
_LONGEST_LIFE = 300
"""Callbacks until a death by count comes at the latest."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the log: when (simulated seconds), in which process, what."""

    at: float
    process: int
    what: Any

    def __str__(self) -> str:
        return f"{self.at:9.3f} #{self.process:<3} {self.what}"


class World:
    """One seed's surroundings."""

    def __init__(self, scenario: Scenario, *, keep: int | None = 60) -> None:
        self.scenario = scenario
        self.random = Random(scenario.seed ^ 0x5EED)  # noqa: S311 - a seed, not a secret
        self.loop = SimulatedLoop(self._delay)  # type: ignore[abstract]  # the rest of a loop is sockets and signals
        self.api = Api(scenario, self.random)
        self.place = Place.make(scenario.database)
        self.plans = plans(scenario)
        self.disk: Disk = {}
        self.folder = Path(mkdtemp(dir=_MEMORY)) if scenario.database != "model" else None
        """Where the real cache is."""
        self.tokens: dict[str, Mapping[str, Any]] = {}
        self.log: deque[Entry] = deque(maxlen=keep)
        self.violations: list[str] = []
        self.processes: list[Process] = []
        self.deaths = 0
        self.deaths_left = scenario.deaths
        self.committed: dict[Stream, int] = {}
        self.ended: set[Stream] = set()
        self.served: Counter[str] = Counter()
        self.again: Counter[str] = Counter()
        """How often the answer to a request may be asked for once more."""
        self.committing: Group | None = None

    def _delay(self) -> float:
        """What a thread takes to begin or to be heard of; now and then a commit is slow."""
        r = self.random.random()
        return r * 0.02 if r < 0.95 else r * 0.6

    def note(self, process: int, what: Any) -> None:
        self.log.append(Entry(self.loop.time(), process, what))

    def violate(self, what: str) -> None:
        self.violations.append(what)
        self.loop.pause()

    # -- processes

    def start(self) -> Process:
        process = Process(self, len(self.processes) + 1)
        self.processes.append(process)
        self.note(process.number, "begins")
        if self.scenario.cache == "lost" and self.random.random() < 0.3:
            self.disk.clear()
            if self.folder is not None:
                shutil.rmtree(self.folder, ignore_errors=True)
            self.again.update(self.served.keys())
            self.note(process.number, "finds no cache")
        self._doom(process)
        context = copy_context()
        context.run(OWNER.set, process)
        process.main = context.run(self.loop.create_task, process.run())
        process.main.add_done_callback(lambda _: self.loop.pause())
        return process

    def _doom(self, process: Process) -> None:
        """Decide how the process ends, unless it comes to its end before."""
        r = self.random
        if r.random() < self.scenario.stops:
            self.loop.call_later(r.random() * 2, process.ask_to_stop)
        if not self.deaths_left:
            return
        if r.random() < self.scenario.overlap and not any(p.frozen for p in self.processes):
            process.freezes = True
        how = r.choice(("step", "step", "point", "time"))
        if how == "point" and not process.freezes:
            process.dies_at_point = r.randint(1, 10)
        elif how == "time":
            self.loop.call_later(r.random() ** 2 * 1.2, process.doom)
        else:
            process.dies_at_step = int(_LONGEST_LIFE ** r.random())

    def drain(self) -> None:
        """End what still runs."""
        for _ in range(10):
            self.loop.drain(self.processes, 100_000)
            left = [task for process in self.processes for task in process.tasks if not task.done()]
            if not left:
                break
        else:
            self.loop.problems.append(f"a task does not end when it is cancelled: {left[0].get_name()}")
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def at_point(self, name: str) -> None:
        """The handler of every fault point."""
        process = OWNER.get()
        if not isinstance(process, Process):
            return
        if process.dead:
            raise Vanished
        self.note(process.number, name)
        if name == "commit.after_commit":
            self._applied(process)
        process.pass_point()

    # -- the account

    def _applied(self, process: Process) -> None:
        """A commit is in the database."""
        group, self.committing = self.committing, None
        assert group is not None
        for advance in group.advances:
            key, at = advance.at.key, advance.at
            stream = key.step, key.slice
            before = self.committed.get(stream, 0)
            expected = advance.expected.page_number if advance.expected is not None else 0
            if stream in self.ended:
                self.violate(f"checkpoint {stream}: process {process.number} moved it after its end")
            if key.slice != FINISHED and (expected != before or at.page_number < before):
                self.violate(
                    f"checkpoint {stream}: a commit moved it from {before} to {at.page_number}, but knew {expected}"
                )
            numbers = [p.page_number for p in group.pages if (p.step, p.slice) == stream]
            if key.slice != FINISHED and numbers != list(range(before + 1, at.page_number + 1)):
                self.violate(f"checkpoint {stream}: moved from {before} to {at.page_number} with pages {numbers}")
            self.committed[stream] = at.page_number
            if at.done:
                self.ended.add(stream)

    def asked(self, process: Process, slot: str) -> None:
        """A page's request leaves."""
        step, slice, number = slot.split("/")
        stream = step, slice
        alone = not process.overlapped
        committed = self.committed.get(stream, 0) if alone else process.found.get(stream, 0)
        ended = stream in (self.ended if alone else process.found_ended)
        if int(number) <= committed or ended:
            self.violate(f"page {slot} was asked for again, {committed} pages are committed")
        if len(process.open) > self.plans[-1].rate_limit.concurrency:
            self.violate(f"{len(process.open)} requests in flight")

    def answered(self, process: Process, key: str, slot: str) -> None:
        """A whole answer was made."""
        self.served[key] += 1
        exact = self.scenario.cache != "none" and self.scenario.overlap == 0
        if exact and self.served[key] > 1 + self.again[key]:
            self.violate(f"{slot} was answered {self.served[key]} times, with {self.again[key]} reasons to ask again")
