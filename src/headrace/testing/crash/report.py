"""The result of a crash matrix as text and as JSON."""

from __future__ import annotations

import os
import platform
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from headrace._version import __version__
from headrace.testing.crash.outcome import Figures
from headrace.testing.crash.result import Result


def figures(results: Sequence[Result]) -> dict[str, int]:
    """The five figures over all results; all but the first have to be 0. An archived page or a checkpoint that
    differs counts as a row lost."""
    total = sum((result.figures for result in results), Figures())
    return {
        "kills": total.kills,
        "rows_lost": total.rows_lost + total.pages_different + total.streams_different,
        "rows_doubled": total.rows_doubled,
        "refetched_committed": total.refetched_committed,
        "max_extra_over_in_flight": total.over,
    }


def document(results: Sequence[Result], command: str, seconds: float) -> dict[str, Any]:
    """Everything that was done and found, as plain JSON."""
    results = sorted(results, key=lambda result: (result.destination, result.style))
    return {
        "command": command,
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "version": __version__,
        "commit": _commit(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"{platform.python_implementation()} {platform.python_version()}",
        "seconds": round(seconds),
        "figures": figures(results),
        "cells": [
            {
                "destination": result.destination,
                "paging": result.style,
                "mode": mode,
                "kills": result.figures.kills,
                "other_strikes": result.figures.strikes - result.figures.kills,
                "faults_in_sweeps": sum(result.sweeps.values()),
                "rows": result.rows[mode],
                "rows_lost": lost,
                "rows_doubled": doubled,
            }
            for result in results
            for mode, (lost, doubled) in sorted(result.by_mode().items())
        ],
        "kinds": [
            {
                "kind": kind,
                "times": sum(result.struck[kind] for result in results),
                "by_destination": {
                    name: sum(result.struck[kind] for result in results if result.destination == name)
                    for name in dict.fromkeys(result.destination for result in results)
                },
                "moment_never_came": sum(result.missed[kind] for result in results),
            }
            for kind in sorted(sum((result.struck + result.missed for result in results), Counter[str]()))
        ],
        "sweeps": dict(sum((Counter(result.sweeps) for result in results), Counter[str]())),
        "violations": [f"{r.destination}, {r.style}: {text}" for r in results for text in r.violations],
        "notes": [f"{r.destination}, {r.style}: {text}" for r in results for text in r.figures.notes],
    }


def _commit() -> str:
    """The commit of the checkout that this runs from; empty where it is installed."""
    here = Path(__file__).parent
    found = subprocess.run(
        ["git", "-C", str(here), "rev-parse", "--short", "HEAD"],  # noqa: S607 - whichever git there is
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip()


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """The tables, as Markdown that is readable as it stands."""
    yield from _table(
        ("destination", "paging", "write mode", "kills", "other", "swept", "rows", "lost", "doubled"),
        [tuple(cell.values()) for cell in found["cells"]],
    )
    yield ""
    yield from _table(
        ("what was done", "times", *(found["kinds"][0]["by_destination"] if found["kinds"] else ())),
        [(kind["kind"], kind["times"], *kind["by_destination"].values()) for kind in found["kinds"]],
    )
    if found["sweeps"]:
        yield ""
        yield from _table(("one after the other, for every n", "faults"), list(found["sweeps"].items()))
    for text in (*found["notes"], *found["violations"]):
        yield ""
        yield text


def page(found: Mapping[str, Any]) -> str:
    """A page of documentation."""
    commit = f", commit {found['commit']}" if found["commit"] else ""
    head = [
        "# Crash matrix: the last reported run",
        "",
        f"`{found['command']}`, {found['date']}, Headrace {found['version']}{commit}, {found['machine']}, "
        f"{found['seconds']} s.",
        "",
        "Every crawl writes a table of each write mode at once, into a database in which an earlier crawl has ended; a "
        "kill strikes all of them. `other` are the strikes that are no kill, `swept` the faults at every statement and "
        "file operation, `rows` those that one crawl leaves and that are compared after each. What the columns and "
        "kinds mean: [Crash testing](../crash-testing.md).",
        "",
    ]
    tail = ["", "```text", *(f"{name} {value}" for name, value in found["figures"].items()), "```", ""]
    return "\n".join([*head, *lines(found), *tail])


def _table(head: Sequence[object], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    texts = [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[at]) for row in texts) for at in range(len(head))]
    numbers = [bool(rows) and isinstance(rows[0][at], int) for at in range(len(head))]

    def line(row: Sequence[str]) -> str:
        cells = [
            text.rjust(w) if number else text.ljust(w) for text, w, number in zip(row, widths, numbers, strict=True)
        ]
        return f"| {' | '.join(cells)} |"

    yield line(texts[0])
    yield f"|{'|'.join('-' * (w + 1) + (':' if number else '-') for w, number in zip(widths, numbers, strict=True))}|"
    yield from map(line, texts[1:])
