"""Everything that outlives a process, and who dies when."""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Mapping
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import mkdtemp
from typing import Any

from headrace.testing.simulate.account import Account
from headrace.testing.simulate.api import Api
from headrace.testing.simulate.cache import Disk
from headrace.testing.simulate.loop import OWNER, SimulatedLoop, Vanished
from headrace.testing.simulate.place import Place
from headrace.testing.simulate.process import Process
from headrace.testing.simulate.scenario import Scenario, plans

_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a folder of its own is made there
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
        self.account = Account(scenario, self.plans[-1].rate_limit.concurrency, self.violate)

    def _delay(self) -> float:
        """What a thread takes to begin or to be heard of; now and then a commit is slow."""
        r = self.random.random()
        return r * 0.02 if r < 0.95 else r * 0.6

    def note(self, process: int, what: Any) -> None:
        self.log.append(Entry(self.loop.time(), process, what))

    def violate(self, what: str) -> None:
        self.violations.append(what)
        self.loop.pause()

    def start(self) -> Process:
        process = Process(self, len(self.processes) + 1)
        self.processes.append(process)
        self.note(process.number, "begins")
        if self.scenario.cache == "lost" and self.random.random() < 0.3:
            self.disk.clear()
            if self.folder is not None:
                shutil.rmtree(self.folder, ignore_errors=True)
            self.account.again.update(self.account.served.keys())
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
            self.account.applied(process.number)
        process.pass_point()
