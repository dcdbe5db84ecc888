"""Measure, print ``figure value`` lines, and keep the results (``run.py [--quick] [--only GROUP,…] [--rounds N]``)."""

from __future__ import annotations

import argparse
import datetime as dt
import importlib
import importlib.metadata
import json
import os
import platform
import resource
import sys
import time
from typing import Any

from common import HERE, Given, Outcome, compiled

GROUPS = (
    "engine", "memory", "postgres", "sqlite", "latency", "window", "slices", "limits", "sync", "updates", "commit_share",
    "startup", "service", "install",
)  # fmt: skip
QUICK = ("engine", "memory")
RESULTS = HERE / "results.json"
_LIBRARIES = ("aiohttp", "duckdb", "headrace", "msgspec", "psycopg", "pyarrow")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help=f"{' and '.join(QUICK)} alone, with fewer records")
    options.add_argument("--only", metavar="GROUP,…", help=f"some of {', '.join(GROUPS)}")
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    names = given.only.split(",") if given.only else list(QUICK if given.quick else GROUPS)
    if unknown := set(names) - set(GROUPS):
        options.error(f"there is no group {', '.join(sorted(unknown))}; there are {', '.join(GROUPS)}")
    compiled()
    outcomes = {}
    for name in names:
        group = importlib.import_module(name)
        print(f"{name}: {(group.__doc__ or '').strip().splitlines()[0]}", flush=True)
        started = time.perf_counter()
        outcomes[name] = group.run(Given(given.rounds, given.quick))
        print("\n".join(outcomes[name].table), f"({time.perf_counter() - started:.0f} s)", sep="\n", flush=True)
        if not given.quick:
            keep(name, outcomes[name], given.rounds)
    for outcome in outcomes.values():
        for figure in outcome.figures:
            print(f"{figure.name} {figure.value:.2f}")


def keep(name: str, outcome: Outcome, rounds: int) -> None:
    """Put a group's results beside those of the other groups, which stay as they are."""
    found: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    found[name] = {
        "about": (sys.modules[name].__doc__ or "").strip().splitlines()[0],
        "command": f"make bench ARGS='--only {name}'",
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "rounds": rounds,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "versions": {"python": platform.python_version()}
        | {library: importlib.metadata.version(library) for library in _LIBRARIES},
        "figures": [figure.as_dict() for figure in outcome.figures],
        "table": outcome.table,
    }
    ordered = {group: found[group] for group in GROUPS if group in found}
    RESULTS.write_text(json.dumps(ordered, indent=1, ensure_ascii=False) + "\n")
    (HERE / "results.md").write_text(markdown(ordered))


def markdown(results: dict[str, Any]) -> str:
    """Every group's last results, for the eye."""
    lines = ["# Results", "", "Each group's last full run. `results.json` has the same for programs.", ""]
    for name, group in results.items():
        versions = ", ".join(f"{library} {version}" for library, version in group["versions"].items())
        lines += [f"## {name}", "", group["about"], "",
                  f"`{group['command']}`, {group['date']}, {group['machine']}; {versions}.", ""]  # fmt: skip
        lines += [*group["table"], ""] if group["table"] else []
        lines += ["| figure | value | promised |", "|---|---:|---|"]
        for figure in group["figures"]:
            words = {"most": "at most", "least": "at least", "below": "below"}
            promised = f"{words[figure['sense']]} {figure['bound']:g}" if "bound" in figure else ""
            kept = "" if figure.get("holds", True) else ": **missed**"
            lines.append(f"| `{figure['name']}` | {figure['value']:.2f} | {promised}{kept} |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    main()
