"""Write ``docs/claims.md`` from the results that lie in the repository.

    python docs/_build/claims.py

Nothing on that page is typed by hand but what other tools were seen to do; a figure that was not measured is not there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/claims.md"
CRASH = ROOT / "docs/results/crash.json"
SIMULATE = ROOT / "docs/results/simulate.json"
CHURN = ROOT / "docs/results/churn.json"
BENCH = ROOT / "benchmarks/results.json"

_HEAD = """\
# Claims, and how to check them

Every figure here comes out of a command of this repository, with the date of its last kept run; `make claims` writes the page anew from
the files in `docs/results/` and `benchmarks/`. *Others* is what was read or measured in November 2026 (dlt 1.31, airbyte-cdk 7.39,
PyAirbyte 0.71, singer-sdk 0.54): [the comparison](comparison.md) says how.
"""

_OTHERS = {
    "crash": "dlt and PyAirbyte made 300 of 300 requests again after a kill at the 200th; neither publishes a crash test",
    "simulate": "none is known to have one",
    "churn": "one `last_seen` mark on the row found 25 % of such removals, or was wrong for 77 %",
    "engine": "dlt at its best settings is measured in the same run",
    "memory": "dlt's defaults took 7.9 GB for 300 pages of 449 KB",
    "postgres": "dlt at its best settings is measured in the same run",
    "sqlite": "dlt at its best settings is measured in the same run",
    "limits": "dlt, Singer: no limit before the 429; Airbyte: within one process",
    "window": "dlt: pages one after the other ([#2844](https://github.com/dlt-hub/dlt/issues/2844))",
    "startup": "`import dlt` 1.1 s, `import airbyte` 8.3 s",
}
_WORDS = {"most": "at most", "least": "at least", "below": "below"}


class Line(NamedTuple):
    figure: str
    value: str
    aim: str
    kept: bool


def crash_lines(found: Mapping[str, Any]) -> Iterator[Line]:
    figures = found["figures"]
    yield Line("kills", f"{figures['kills']:,}", "at least 1,000", figures["kills"] >= 1000)
    for name in ("rows_lost", "rows_doubled", "refetched_committed", "max_extra_over_in_flight"):
        yield Line(name, f"{figures[name]:,}", "0", figures[name] == 0)


def simulate_lines(found: Mapping[str, Any]) -> Iterator[Line]:
    figures = found["figures"]
    yield Line("crashes", f"{figures['crashes']:,}", "at least 100,000", figures["crashes"] >= 100_000)
    yield Line("violations", f"{figures['violations']:,}", "0", figures["violations"] == 0)


def churn_lines(found: Mapping[str, Any]) -> Iterator[Line]:
    figures = found["figures"]
    yield Line("crawls", f"{figures['crawls']:,}", "", True)
    for name in ("precision", "recall"):
        yield Line(name, f"{figures[name]:g}", "1", figures[name] == 1)


def bench_lines(found: Mapping[str, Any]) -> Iterator[Line]:
    for figure in found["figures"]:
        if "bound" in figure:
            aim = f"{_WORDS[figure['sense']]} {figure['bound']:g}"
            yield Line(figure["name"], f"{figure['value']:.2f}", aim, figure.get("holds", True))


def page() -> str:
    """The page as the results have it."""
    parts = [_HEAD]
    trust = (
        ("crash", "A kill at any instant loses nothing and doubles nothing", CRASH, crash_lines),
        ("simulate", "Nor does any crash, fault or interleaving that a seed can think of", SIMULATE, simulate_lines),
        ("churn", "What counts as removed is what is gone", CHURN, churn_lines),
    )
    for name, title, file, lines in trust:
        if file.exists():
            found = json.loads(file.read_text())
            parts.append(_section(name, title, found["command"], str(found["date"])[:10], lines(found)))
    for name, found in json.loads(BENCH.read_text()).items():
        if lines := list(bench_lines(found)):
            about = found["about"].rstrip(".")
            parts.append(_section(name, about, found["command"], f"{found['date']}, {found['machine']}", iter(lines)))
    return "\n".join(parts)


def _section(name: str, title: str, command: str, when: str, lines: Iterator[Line]) -> str:
    rows = [
        f"| `{line.figure}` | {line.value} | {line.aim}{'' if line.kept else ': **missed**'} |" for line in lines
    ]
    others = [f"Others: {_OTHERS[name]}.", ""] if name in _OTHERS else []
    head = [f"## {title}", "", f"`{command}`, {when}.", "", "| figure | value | aim |", "|---|---:|---|"]
    return "\n".join([*head, *rows, "", *others])


if __name__ == "__main__":
    PAGE.write_text(page())
