"""A run as a process of its own, and how it ended."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from headrace.testing.crash import zygote
from headrace.testing.crash.zygote import Forked

LONGEST = 300.0
"""Seconds after which a process that does not end is killed, and counts as hanging."""
INSIDE = "HEADRACE_CRASH"
"""Environment variable: what :mod:`headrace.testing.crash.child` does to the run it holds."""


class Violation(AssertionError):
    """A run did what it must not do, whatever happened to it; the message ends with its log."""


@dataclass(frozen=True, slots=True)
class Crawl:
    """A run as the command line makes it. ``environment`` adds variables, such as the API's key."""

    pipeline: str
    destination: str
    state: Path
    run_id: str = "crash"
    params: Mapping[str, str] = field(default_factory=dict)
    rewrite: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets_file: Path | None = None

    @property
    def arguments(self) -> list[str]:
        """``run …`` with a log line for each state change on stderr."""
        given = [f"--param={name}={value}" for name, value in self.params.items()]
        given += [f"--rewrite={host}={url}" for host, url in self.rewrite.items()]
        given += [f"--secrets-file={self.secrets_file}"] if self.secrets_file else []
        where = [f"--destination={self.destination}", f"--state={self.state}", f"--run-id={self.run_id}"]
        how = ["--progress=none", "--log-format=json", "-v"]
        return ["run", self.pipeline, *where, *how, *given]

    @property
    def module(self) -> str:
        """The command line itself, or the one that does something to it from within."""
        return "headrace.testing.crash.child" if INSIDE in self.environment else "headrace.cli"

    @property
    def command(self) -> list[str]:
        """What starts the process."""
        module = "headrace" if self.module == "headrace.cli" else self.module
        return [sys.executable, "-m", module, *self.arguments]

    def having(self, **environment: str) -> Crawl:
        """The same with more variables."""
        return replace(self, environment={**self.environment, **environment})


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one process ended. ``struck``: what was meant to happen to it did; ``killed``: by SIGKILL."""

    struck: bool
    killed: bool
    exit_code: int
    log: str


class Process(subprocess.Popen[bytes]):
    """A process of its own."""

    def stopped(self) -> bool:
        """Wait until it has stopped itself; false when it ended instead."""
        found = os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        return found is not None and found.si_code == os.CLD_STOPPED


class Running:
    """A process under way. ``begun`` is set with its first line on stderr."""

    def __init__(self, process: Process | Forked, stderr: IO[str]) -> None:
        self.process = process
        self.begun = threading.Event()
        self.text = ""
        self._reader = threading.Thread(target=self._read, args=(stderr,), daemon=True)
        self._reader.start()

    def _read(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                self.text += line
                self.begun.set()
        self.begun.set()

    def ended(self, *, struck: bool = False) -> Attempt:
        """Wait for its end. Raises :class:`Violation` when there is none."""
        try:
            code = self.process.wait(LONGEST)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self._reader.join()
            raise Violation(f"it hung for {LONGEST:.0f} s:\n{self.text}") from None
        self._reader.join()
        return Attempt(struck or code == -9, code == -9, code, self.text)


@contextmanager
def running(crawl: Crawl, *, prefix: tuple[str, ...] = ()) -> Iterator[Running]:
    """``crawl`` in a process that is gone when the block ends; ``prefix`` are words before its command."""
    readable, writable = os.pipe()
    with ExitStack() as stack:
        process: Process | Forked
        try:
            if zygote.pool is not None and not prefix:
                forking = stack.enter_context(zygote.pool.one())
                process = forking.start(crawl.module, crawl.arguments, crawl.environment, writable)
            else:
                nothing = subprocess.DEVNULL
                environment = {**os.environ, **crawl.environment}
                command = [*prefix, *crawl.command]
                process = Process(command, env=environment, stdin=nothing, stdout=nothing, stderr=writable)
        finally:
            os.close(writable)
        try:
            yield Running(process, os.fdopen(readable, errors="replace"))
        finally:
            process.kill()
            process.wait()


def finish(crawl: Crawl) -> None:
    """Run ``crawl`` to its end. Raises :class:`Violation` with its log unless it says done."""
    with running(crawl) as one:
        ended = one.ended()
    if ended.exit_code:
        raise Violation(f"{crawl.run_id} into {crawl.destination} ended with {ended.exit_code}:\n{ended.log}")
