"""Play one seed: process after process, until the run is done."""

from __future__ import annotations

import gc
from collections.abc import Iterable
from dataclasses import dataclass

from headrace.core import faults
from headrace.core.errors import Fenced, LoopDetected
from headrace.testing.simulate.check import check_end
from headrace.testing.simulate.loop import Stuck
from headrace.testing.simulate.process import Process
from headrace.testing.simulate.scenario import Database, Scenario, draw
from headrace.testing.simulate.world import Entry, World

_MOST_PROCESSES = 400
_MOST_CALLBACKS = 200_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a seed ended. ``log`` has the last events, or all of them where that was asked for."""

    scenario: Scenario
    status: str
    processes: int
    crashes: int
    faults: int
    violations: tuple[str, ...]
    log: tuple[Entry, ...]


def simulate(seed: int, *, database: Database | None = None, whole_log: bool = False) -> Outcome:
    """Play ``seed``; the same seed gives the same log."""
    return play(draw(seed, database), whole_log=whole_log)


def play(scenario: Scenario, *, whole_log: bool = False) -> Outcome:
    """Play one scenario; its seed decides what is left to chance."""
    world = World(scenario, keep=None if whole_log else 60)
    faults.install(world.at_point)
    collecting = gc.isenabled()
    gc.disable()  # whole processes are thrown away at the end: looking for cycles before costs a fifth
    try:
        status = _play(world)
        if not world.violations:
            world.violations += check_end(world, status)
    except Stuck as stuck:
        status = "stuck"
        world.violate(f"stuck: {stuck}")
    finally:
        faults.install(None)
        world.drain()
        world.loop.close()
        world.place.close()
        if collecting:
            gc.enable()
    return Outcome(
        scenario,
        status,
        len(world.processes),
        world.deaths,
        world.api.faults,
        (*world.violations, *world.loop.problems),
        tuple(world.log),
    )


def _play(world: World) -> str:
    """Returns the status that the run came to rest with."""
    status = ""
    while not status:
        process = world.start()
        while not (process.over or process.frozen or world.violations):
            world.loop.run(_MOST_CALLBACKS)
        if process.over:
            status = _came_to_rest(world, process)
        if world.violations:
            return "broken"
        if len(world.processes) > _MOST_PROCESSES:
            world.violate(f"no end after {_MOST_PROCESSES} processes, the last ended as {process.main!r}")
            return "broken"
    # Those that were frozen write late, behind the end.
    while not (all(p.over for p in world.processes) or world.violations):
        world.loop.run(_MOST_CALLBACKS)
    for process in world.processes:
        _ending(world, process)
    return status


def _ending(world: World, process: Process) -> str:
    """How a process ended; an end that nothing explains is a violation."""
    if process.dead or process.main is None or not process.main.done():
        return ""
    problem = process.main.exception() if not process.main.cancelled() else None
    if process.main.cancelled() or problem is not None:
        world.violate(f"process {process.number} ended with {problem!r}")
        return ""
    left = [task for task in process.tasks if not task.done() and not task.cancelling()]
    if left:
        world.violate(f"process {process.number} left {left[0].get_name()} behind")
    error = process.error
    if error is not None:
        world.note(process.number, f"fails: {error!r}")
        explained = process.faults or (isinstance(error, Fenced) and process.overlapped)
        if not explained or isinstance(error, LoopDetected):
            world.violate(f"process {process.number} failed, although nothing went wrong: {error!r}")
    return process.main.result()


def _came_to_rest(world: World, process: Process) -> str:
    """The run's last status, or nothing while it is to go on."""
    status = _ending(world, process)
    world.note(process.number, f"ends as {status or 'killed'}")
    s = world.scenario
    capped = status == "partial" and s.max_pages < 10_000
    return status if status in ("done", "suspect") or capped else ""


def first_violation(seeds: Iterable[int]) -> Outcome | None:
    """The first of ``seeds`` that breaks a promise."""
    return next((found for seed in seeds if (found := simulate(seed)).violations), None)
