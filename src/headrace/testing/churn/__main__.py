"""``python -m headrace.testing.churn --seeds N [--first S] [--database memory]``, or ``--seed S`` to play one again."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

from headrace.testing.churn.history import Database
from headrace.testing.churn.play import Outcome, play

_COUNTS = ("crawls", "resumed", "done", "partial", "failed", "interrupted", "killed", "suspect", "held", "confirmed",
           "rejected", "removed", "reappeared")  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 1 and the seed, where a row counts as removed wrongly or does not."""
    parser = argparse.ArgumentParser(prog="python -m headrace.testing.churn", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many histories to play")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="play this one alone, and show everything that happened")
    parser.add_argument(
        "--database", choices=get_args(Database), default="memory", help="SQLite in memory, or a file of a kind"
    )
    parser.add_argument("--out", type=Path, help="keep the figures as JSON in this file, and as text beside it")
    given = parser.parse_args(arguments)
    started = time.perf_counter()
    one = given.seed is not None
    total = Counter[str]()
    played = right = wrong = lost = broken = 0
    with suppress(KeyboardInterrupt):  # the figures so far are figures as well
        for seed in [given.seed] if one else range(given.first, given.first + given.seeds):
            outcome = play(seed, given.database)
            played += 1
            total += outcome.counts
            right, wrong, lost = right + outcome.right, wrong + outcome.wrong, lost + outcome.lost
            broken += bool(outcome.violations)
            if outcome.violations or one:
                _show(outcome)
    figures: dict[str, Any] = {"histories": played, **{name: total[name] for name in _COUNTS}}
    figures |= {
        "precision": round(right / (right + wrong), 6) if right + wrong else 1.0,
        "recall": round(right / (right + lost), 6) if right + lost else 1.0,
        "violations": broken,
        "seconds": round(time.perf_counter() - started, 1),
    }
    lines = [f"{figure} {value}" for figure, value in figures.items()]
    print("\n".join(lines))  # noqa: T201 - the command's result
    if given.out is not None:
        command = ["python", "-m", "headrace.testing.churn", *(arguments if arguments is not None else sys.argv[1:])]
        _keep(given.out, " ".join(command), figures, lines)
    return 1 if broken else 0


def _show(outcome: Outcome) -> None:
    lines = [*outcome.log, outcome.history.describe(), *(f"VIOLATION {text}" for text in outcome.violations)]
    print("\n".join([*lines, f"seed {outcome.history.seed}"]))  # noqa: T201 - the command's result


def _keep(file: Path, command: str, figures: dict[str, Any], lines: list[str]) -> None:
    date = datetime.now(UTC).date().isoformat()
    file.write_text(json.dumps({"command": command, "date": date, "figures": figures}, indent=2) + "\n")
    file.with_suffix(".txt").write_text("\n".join([f"$ {command}", f"# {date}", *lines]) + "\n")


if __name__ == "__main__":
    sys.exit(main())
