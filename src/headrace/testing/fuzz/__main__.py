"""``python -m headrace.testing.fuzz [--seconds N] [TARGET...]``: fuzz each target in a process of its own.

A finding is an exception, an input that takes more than 10 seconds, or one that needs more than 2 GB. It is printed
with the file that holds the input; ``--input FILE TARGET`` runs that file alone. Ends with 1 when there is one.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path

MEGABYTES = 2048
INPUT_SECONDS = 10
LONGEST = 4096
"""Bytes of an input."""


def main() -> int:
    from headrace.testing.fuzz.targets import TARGETS

    parser = argparse.ArgumentParser(prog="python -m headrace.testing.fuzz", description=__doc__.split("\n\n")[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"by default all: {', '.join(TARGETS)}")
    parser.add_argument("--seconds", type=int, default=60, help="for all targets together (60)")
    parser.add_argument("--corpus", type=Path, default=Path("build/fuzz"), help="where inputs are kept (build/fuzz)")
    parser.add_argument("--input", type=Path, help="run the bytes of this file once, without the fuzzer")
    given = parser.parse_args()
    unknown = [name for name in given.targets if name not in TARGETS]
    if unknown:
        parser.error(f"no target {unknown[0]!r}; there are: {', '.join(TARGETS)}")
    chosen = given.targets or list(TARGETS)
    if given.input is not None:
        for name in chosen:
            TARGETS[name].run(given.input.read_bytes())
        return 0
    findings = 0
    for name in chosen:
        findings += _fuzz(name, max(1, given.seconds // len(chosen)), given.corpus)
    print(f"targets {len(chosen)}\nfindings {findings}")  # noqa: T201
    return 1 if findings else 0


def _fuzz(name: str, seconds: int, folder: Path) -> int:
    corpus, found = folder / name, folder / "findings"
    for made in (corpus, found):
        made.mkdir(parents=True, exist_ok=True)
    before = set(found.iterdir())
    command = [
        sys.executable, "-m", "headrace.testing.fuzz.child", name, str(corpus), f"-max_total_time={seconds}",
        f"-timeout={INPUT_SECONDS}", f"-rss_limit_mb={MEGABYTES}", f"-max_len={LONGEST}",
        f"-artifact_prefix={found}/{name}-", "-print_final_stats=1",
    ]  # fmt: skip
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    runs = re.search(r"stat::number_of_executed_units:\s*(\d+)", done.stderr)
    took = time.monotonic() - started
    print(f"{name:14} {runs[1] if runs else '?':>10} inputs in {took:.0f} s", flush=True)  # noqa: T201
    if done.returncode == 0:
        return 0
    files = sorted(set(found.iterdir()) - before)
    told = re.search(
        r"=== Uncaught Python exception(.*?)(?====)|ERROR: libFuzzer: .*", done.stdout + done.stderr, re.DOTALL
    )
    print((told[1] or told[0])[:4000] if told else done.stderr[-4000:])  # noqa: T201
    print(f"finding in {name}: {', '.join(map(str, files)) or 'no input was kept'}", flush=True)  # noqa: T201
    return 1


if __name__ == "__main__":
    sys.exit(main())
