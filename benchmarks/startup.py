"""``headrace --help`` and ``import headrace``: CPU seconds."""

from __future__ import annotations

import sys
from pathlib import Path

from common import Figure, Given, Outcome, measure, median

TIMES = 15


def run(given: Given) -> Outcome:
    bin = Path(sys.executable).parent
    commands = {
        "help": [str(bin / "headrace"), "--help"],
        "import": [sys.executable, "-c", "import headrace"],
        "python": [sys.executable, "-c", "pass"],
    }
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(TIMES):
        for name, command in commands.items():
            taken[name].append(measure(command).cpu)
    cpu = {name: median(values) for name, values in taken.items()}
    return Outcome(
        [Figure("help_cpu_s", cpu["help"], 0.15, "below"), Figure("import_cpu_s", cpu["import"], 0.15, "below")],
        [f"Medians of {TIMES}; Python alone takes {cpu['python']:.3f} CPU s."],
    )
