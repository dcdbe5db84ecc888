"""``python -m headrace.testing.simulate --seeds N [--first S] [--out FILE]``, or ``--seed S`` to play one again."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from headrace.testing.simulate.run import Outcome, simulate


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 1 and the seed, where a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m headrace.testing.simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many seeds to play")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="play this seed alone, and show everything that happened")
    parser.add_argument("--out", type=Path, help="keep the figures as JSON in this file")
    given = parser.parse_args(arguments)
    started, worked = time.perf_counter(), time.process_time()
    one = given.seed is not None
    seeds = [given.seed] if one else range(given.first, given.first + given.seeds)
    played, crashes, failures, broken = 0, 0, 0, 0
    with suppress(KeyboardInterrupt):  # the figures so far are figures as well
        for seed in seeds:
            outcome = simulate(seed, whole_log=one)
            played += 1
            crashes += outcome.crashes
            failures += outcome.faults
            broken += bool(outcome.violations)
            if outcome.violations or one:
                _show(outcome)
    figures: dict[str, Any] = {
        "seeds": played,
        "crashes": crashes,
        "faults": failures,
        "violations": broken,
        "seconds": round(time.perf_counter() - started, 1),
        "crashes_per_cpu_second": round(crashes / (time.process_time() - worked)),
    }
    for figure, value in figures.items():
        print(figure, value)  # noqa: T201 - the command's result
    if given.out is not None:
        asked = [*(arguments if arguments is not None else sys.argv[1:])]
        command = " ".join(["python", "-m", "headrace.testing.simulate", *asked])
        kept = {"command": command, "date": datetime.now(UTC).date().isoformat(), "figures": figures}
        given.out.write_text(json.dumps(kept, indent=2) + "\n")
    return 1 if broken else 0


def _show(outcome: Outcome) -> None:
    lines = [*map(str, outcome.log), outcome.scenario.describe(), *(f"VIOLATION {text}" for text in outcome.violations)]
    lines.append(f"seed {outcome.scenario.seed}: {outcome.status}")
    print("\n".join(lines))  # noqa: T201 - the command's result


if __name__ == "__main__":
    sys.exit(main())
