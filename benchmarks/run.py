"""Measure Headrace beside its floors and dlt, in turns, and print ratios (``run.py [--quick] [--rounds N]``)."""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
WORK = HERE / ".work"
DLT = "dlt[duckdb]==1.31.0"


@dataclass
class Measured:
    """What one contender took, over its rounds: CPU seconds, wall seconds, peak memory in MB."""

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    peak: list[float] = field(default_factory=list)

    @property
    def best(self) -> tuple[float, float, float]:
        return statistics.median(self.cpu), statistics.median(self.wall), max(self.peak)


def measure(command: list[str], into: Measured, rows: int | None = None) -> None:
    """Run ``command`` to its end and take its own and its children's CPU time."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    out, err = process.stdout.read(), process.stderr.read()  # type: ignore[union-attr]
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[0]} failed with {process.returncode}:\n{out}\n{err}")
    if rows is not None and str(rows) not in out:
        raise SystemExit(f"{' '.join(command)} did not land {rows} rows:\n{out}\n{err}")
    into.cpu.append(usage.ru_utime + usage.ru_stime)
    into.wall.append(wall)
    into.peak.append(usage.ru_maxrss / 1024)


@contextlib.contextmanager
def server(total: int, size: int) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, str(HERE / "server.py"), str(total), str(size)], stdout=subprocess.PIPE, text=True
    )
    try:
        line = process.stdout.readline()  # type: ignore[union-attr]
        print(f"server: {total:,} records, {line.split(' ', 1)[1].strip()}", flush=True)
        yield line.split()[0]
    finally:
        process.terminate()
        process.wait()


def dlt_python() -> str:
    """An environment of dlt's own, made once."""
    python = WORK / "dlt" / "bin" / "python"
    if not python.exists():
        print(f"setting up an environment for {DLT} ...", flush=True)
        venv.create(WORK / "dlt", with_pip=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", DLT, "pyarrow"], check=True)
    return str(python)


def headrace(url: str, folder: Path, *extra: str) -> list[str]:
    return [
        str(Path(sys.executable).parent / "headrace"), "run", str(HERE / "films.yml"), "--param", f"base={url}",
        "--destination", f"duckdb:///{folder}/headrace.duckdb", "--progress", "none", "--json", *extra,
    ]  # fmt: skip


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="20,000 records, no memory runs")
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    total, size = (20_000 if given.quick else 100_000), 100
    WORK.mkdir(exist_ok=True)
    python = dlt_python()
    contenders: dict[str, Callable[[str, Path], tuple[list[str], int | None]]] = {
        "headrace": lambda url, f: (headrace(url, f), total),
        "curl": lambda url, f: (["curl", "-s", f"{url}/shows?cursor=[0-{total // size - 1}]", "-o", "/dev/null"], None),
        "curl + read_json": lambda url, f: (
            [sys.executable, str(HERE / "floor.py"), url, str(total // size), str(f / "floor.duckdb"), str(f)],
            total,
        ),
        "dlt": lambda url, f: ([python, str(HERE / "dlt_run.py"), url, str(f / "dlt.duckdb"), str(f / "dlt")], total),
    }
    results = {name: Measured() for name in contenders}
    with server(total, size) as url:
        for turn in range(given.rounds):
            for name, make in contenders.items():
                with folder() as where:
                    measure(*_command(make, url, where, results[name]))
                cpu, wall = results[name].cpu[-1], results[name].wall[-1]
                print(f"  round {turn + 1} {name:17} {cpu:7.2f} CPU s {wall:7.2f} s", flush=True)
    figures = _figures(results, total)
    if not given.quick:
        figures |= memory()
    report(results, figures, total)


def _command(
    make: Callable[[str, Path], tuple[list[str], int | None]], url: str, where: Path, into: Measured
) -> tuple[list[str], Measured, int | None]:
    command, rows = make(url, where)
    return command, into, rows


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(dir=WORK))
    os.environ["HEADRACE_STATE"] = str(path / "state")
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _figures(results: dict[str, Measured], total: int) -> dict[str, float]:
    ours, floor, theirs = results["headrace"].best, results["curl + read_json"].best, results["dlt"].best
    return {
        "cpu_vs_read_json": ours[0] / floor[0],
        "wall_vs_read_json": ours[1] / floor[1],
        "rows_per_cpu_s_vs_dlt": theirs[0] / ours[0],
        "rows_per_s_vs_dlt": theirs[1] / ours[1],
        f"peak_mb_{total // 1000}k": ours[2],
    }


def memory() -> dict[str, float]:
    """Peak memory at 20,000 and 200,000 records: the crawl's length must not show."""
    peaks = {}
    for total in (20_000, 200_000):
        with server(total, 100) as url, folder() as where:
            taken = Measured()
            measure(headrace(url, where), taken, total)
            peaks[total] = taken.peak[0]
    return {
        "peak_mb_20k": peaks[20_000],
        "peak_mb_200k": peaks[200_000],
        "peak_200k_vs_20k": peaks[200_000] / peaks[20_000],
    }


def report(results: dict[str, Measured], figures: dict[str, float], total: int) -> None:
    ours = results["headrace"].best
    lines = [
        f"# Last full run: {dt.date.today().isoformat()}",
        "",
        f"`make bench` on {platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}: {total:,} records, pages of 100, median of {len(results['dlt'].cpu)} rounds.",
        "",
        "| contender | rows/s | CPU s | wall s | peak MB | CPU, Headrace = 1 |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, taken in results.items():
        cpu, wall, peak = taken.best
        lines.append(f"| {name} | {total / wall:,.0f} | {cpu:.2f} | {wall:.2f} | {peak:.0f} | {cpu / ours[0]:.2f} |")
    lines += ["", "```", *(f"{name} {value:.2f}" for name, value in figures.items()), "```", ""]
    if "peak_200k_vs_20k" in figures:
        (HERE / "results.md").write_text("\n".join(lines))
    print("\n".join(lines[4 : -len(figures) - 3]))
    for name, value in figures.items():
        print(f"{name} {value:.2f}")


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    main()
