"""``python -m headrace.testing.simulate --seeds N [--first S]``, or ``--seed S`` to play one again."""

from __future__ import annotations

import argparse
import sys
import time

from headrace.testing.simulate.run import Outcome, simulate


def main() -> int:
    """Exit code 1 and the seed, where a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m headrace.testing.simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many seeds to play")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="play this seed alone, and show everything that happened")
    given = parser.parse_args()
    started, worked = time.perf_counter(), time.process_time()
    if given.seed is not None:
        played = [simulate(given.seed, whole_log=True)]
        _show(played[0])
        broken = [one for one in played if one.violations]
        crashes, failures = played[0].crashes, played[0].faults
    else:
        broken, crashes, failures = [], 0, 0
        for seed in range(given.first, given.first + given.seeds):
            outcome = simulate(seed)
            crashes += outcome.crashes
            failures += outcome.faults
            if outcome.violations:
                broken.append(outcome)
                _show(outcome)
    figures = {
        "seeds": 1 if given.seed is not None else given.seeds,
        "crashes": crashes,
        "faults": failures,
        "violations": len(broken),
        "seconds": f"{time.perf_counter() - started:.1f}",
        "crashes_per_cpu_second": f"{crashes / (time.process_time() - worked):.0f}",
    }
    for figure, value in figures.items():
        print(figure, value)  # noqa: T201 - the command's result
    return 1 if broken else 0


def _show(outcome: Outcome) -> None:
    lines = [*map(str, outcome.log), outcome.scenario.describe(), *(f"VIOLATION {text}" for text in outcome.violations)]
    lines.append(f"seed {outcome.scenario.seed}: {outcome.status}")
    print("\n".join(lines))  # noqa: T201 - the command's result


if __name__ == "__main__":
    sys.exit(main())
