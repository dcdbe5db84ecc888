"""What the groups share: figures and their bounds, processes and what they took, servers, databases, folders."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.request
import venv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Literal

HERE = Path(__file__).parent
WORK = HERE / ".work"
DLT = "dlt[duckdb,postgres,sqlalchemy]==1.31.0"
_WITH_DLT = ("pyarrow", "adbc-driver-manager", "adbc-driver-postgresql")


@dataclass(frozen=True)
class Figure:
    """One ``name value`` line. ``bound`` is what was promised; a figure without one is for information."""

    name: str
    value: float
    bound: float | None = None
    sense: Literal["most", "least", "below"] = "most"

    @property
    def holds(self) -> bool | None:
        if self.bound is None:
            return None
        if self.sense == "least":
            return self.value >= self.bound
        return self.value <= self.bound if self.sense == "most" else self.value < self.bound

    def as_dict(self) -> dict[str, Any]:
        promised = {} if self.bound is None else {"bound": self.bound, "sense": self.sense, "holds": self.holds}
        return {"name": self.name, "value": round(self.value, 4), **promised}


@dataclass
class Outcome:
    """What a group found; ``table`` is Markdown that shows where the figures come from."""

    figures: list[Figure] = field(default_factory=list)
    table: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Given:
    """How much to do."""

    rounds: int = 3
    quick: bool = False


@dataclass(frozen=True)
class Taken:
    """What one process and its children took: CPU and wall seconds, the peak of one process in MB, its output."""

    cpu: float
    wall: float
    peak: float
    out: str

    def told(self) -> dict[str, Any]:
        """Its last line, as JSON."""
        found: dict[str, Any] = json.loads(self.out.strip().splitlines()[-1])
        return found


def measure(command: Sequence[str], rows: int | None = None, extra_cpu: Callable[[], float] | None = None) -> Taken:
    """Run ``command`` to its end; ``rows`` is a number that its output must contain, ``extra_cpu`` tells the
    CPU seconds of a server that worked for it."""
    before = extra_cpu() if extra_cpu else 0.0
    taken = finish(start(command), rows)
    return replace(taken, cpu=taken.cpu + extra_cpu() - before) if extra_cpu else taken


@dataclass
class Started:
    command: Sequence[str]
    process: subprocess.Popen[str]
    errors: IO[str]
    at: float


def start(command: Sequence[str]) -> Started:
    errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by finish()
    at = time.perf_counter()
    return Started(command, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True), errors, at)


def finish(started: Started, rows: int | None = None) -> Taken:
    process = started.process
    out = process.stdout.read()  # type: ignore[union-attr]
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started.at
    process.returncode = os.waitstatus_to_exitcode(status)
    with started.errors as errors:
        if process.returncode or (rows is not None and str(rows) not in out):
            errors.seek(0)
            what = f"ended with {process.returncode}" if process.returncode else f"did not land {rows} rows"
            raise SystemExit(f"{' '.join(started.command)} {what}:\n{out}\n{errors.read()}")
    return Taken(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024, out)


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


Contender = Callable[[Path], tuple[Sequence[str], int | None]]
"""Given a new folder: a command, and the rows that it has to tell of."""


def in_turns(
    rounds: int, contenders: Mapping[str, Contender], extra_cpu: Callable[[], float] | None = None
) -> dict[str, list[Taken]]:
    """Every contender once a round, one after the other, so that what disturbs one disturbs all."""
    results: dict[str, list[Taken]] = {name: [] for name in contenders}
    for turn in range(rounds):
        for name, make in contenders.items():
            with folder() as where:
                taken = measure(*make(where), extra_cpu)
            results[name].append(taken)
            say(f"round {turn + 1} {name:24} {taken.cpu:7.2f} CPU s {taken.wall:7.2f} s {taken.peak:5.0f} MB")
    return results


def table(results: Mapping[str, Sequence[Taken]], total: int) -> list[str]:
    """Medians of each contender; its peak is the highest."""
    lines = ["| contender | rows/s | CPU s | wall s | peak MB | CPU, the first = 1 |", "|---|---:|---:|---:|---:|---:|"]
    first = median([taken.cpu for taken in next(iter(results.values()))])
    for name, taken in results.items():
        cpu, wall, peak = median([t.cpu for t in taken]), median([t.wall for t in taken]), max(t.peak for t in taken)
        lines.append(f"| {name} | {total / wall:,.0f} | {cpu:.2f} | {wall:.2f} | {peak:.0f} | {cpu / first:.2f} |")
    return lines


def say(text: str) -> None:
    print(f"  {text}", flush=True)


@contextlib.contextmanager
def server(total: int, size: int, *options: object) -> Iterator[str]:
    """``server.py`` until the block ends; yields its URL."""
    command = [sys.executable, str(HERE / "server.py"), str(total), str(size), *map(str, options)]
    with _serving(command) as line:
        say(
            f"server: {total:,} records, {size:,} a page, {line.split(' ', 1)[1].strip()} {' '.join(map(str, options))}"
        )
        yield line.split()[0]


@contextlib.contextmanager
def sandbox(*options: object) -> Iterator[str]:
    """A sandbox until the block ends; yields its URL."""
    with _serving([sys.executable, "-m", "headrace.sandbox", *map(str, options)]) as line:
        yield line.strip()


def stats(url: str) -> dict[str, Any]:
    """What a sandbox was asked since it was asked this before."""
    with urllib.request.urlopen(f"{url}/__stats") as answer:
        found: dict[str, Any] = json.load(answer)
    urllib.request.urlopen(urllib.request.Request(f"{url}/__reset", method="POST")).close()
    return found


@contextlib.contextmanager
def _serving(command: Sequence[str]) -> Iterator[str]:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()  # type: ignore[union-attr]
        if not line:
            raise SystemExit(f"{' '.join(command)} did not start")
        yield line
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A new folder on this disk, which is also where runs keep their state."""
    WORK.mkdir(exist_ok=True)
    path = Path(tempfile.mkdtemp(dir=WORK))
    os.environ["HEADRACE_STATE"] = str(path / "state")
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def postgres() -> Iterator[Database]:
    """A PostgreSQL server with the settings that a new one has: it syncs what it commits."""
    from headrace.testing.postgres import postgres_server

    with postgres_server(settings=()) as url:
        yield Database(url)


class Database:
    """A PostgreSQL server."""

    def __init__(self, url: str) -> None:
        import psycopg

        self._base = url.rpartition("/")[0]
        self._connection = psycopg.connect(url, autocommit=True)
        backend = self._connection.info.backend_pid
        self._main = _stat(backend)[0]
        self._made = 0

    def new(self) -> str:
        """The URL of a new, empty database; the one before is dropped."""
        if self._made:
            self._connection.execute(f"DROP DATABASE bench{self._made} WITH (FORCE)")
        return self.another()

    def another(self) -> str:
        """The same, and those before stay."""
        self._made += 1
        self._connection.execute(f"CREATE DATABASE bench{self._made}")
        return f"{self._base}/bench{self._made}"

    @staticmethod
    def settle(url: str) -> None:
        """What the server would do by itself within minutes after a table was filled."""
        import psycopg

        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("VACUUM (ANALYZE)")
            connection.execute("CHECKPOINT")

    def cpu(self) -> float:
        """CPU seconds of all the server's processes so far, the ended ones too."""
        total = _stat(self._main)[2]
        for found in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                parent, own, _ = _stat(int(found.name))
                total += own if parent == self._main else 0
        return total


def _stat(process: int) -> tuple[int, float, float]:
    """The parent of a process, its CPU seconds, and those with its ended children's."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    user, system, children_user, children_system = (int(f) / os.sysconf("SC_CLK_TCK") for f in fields[11:15])
    return int(fields[1]), user + system, user + system + children_user + children_system


def headrace(pipeline: Path, destination: str, url: str, *more: str) -> list[str]:
    """The command line, as a user would call it."""
    return [
        str(Path(sys.executable).parent / "headrace"), "run", str(pipeline), "--param", f"base={url}",
        "--destination", destination, "--progress", "none", "--json", *more,
    ]  # fmt: skip


def watched(pipeline: Path, destination: str, url: str) -> list[str]:
    """The same run with its events timed."""
    return [sys.executable, str(HERE / "child.py"), str(pipeline), destination, f"base={url}"]


def compiled() -> None:
    """Everything that a run imports is compiled, as pip leaves it: else each process would compile it again where
    Python may write no bytecode."""
    for path in (sysconfig.get_paths()["purelib"], HERE.parent / "src"):
        subprocess.run([sys.executable, "-m", "compileall", "-q", "-j", "2", str(path)], stdout=subprocess.DEVNULL)


def dlt_python() -> str:
    """An environment of dlt's own, made once."""
    python, made = WORK / "dlt" / "bin" / "python", WORK / "dlt" / DLT
    if not made.exists():
        print(f"setting up an environment for {DLT} ...", flush=True)
        venv.create(WORK / "dlt", with_pip=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", DLT, *_WITH_DLT], check=True)
        made.touch()
    return str(python)
