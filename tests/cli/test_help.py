"""What people read before anything runs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from headrace.cli.main import COMMANDS

Invoke = Callable[..., Any]
Snapshot = Callable[[str, str], None]
HEAVY = ("pydantic", "duckdb", "pyarrow", "aiohttp", "rich", "msgspec", "asyncio", "structlog", "yaml")


@pytest.mark.parametrize(
    "command",
    [
        "",
        *COMMANDS,
        "removals list",
        "removals confirm",
        "schema history",
        "credentials set",
        "credentials list",
        "credentials test",
        "credentials rotate",
        "credentials remove",
    ],
)
def test_help_is_as_it_was(invoke: Invoke, snapshot: Snapshot, command: str) -> None:
    said = invoke(*command.split(), "--help")
    assert (said.code, said.err) == (0, "")
    snapshot(f"help-{command.replace(' ', '-') or 'headrace'}", said.out)


def test_every_command_has_the_line_that_the_list_shows(invoke: Invoke) -> None:
    listed = invoke("--help").out
    for name, line in COMMANDS.items():
        assert f"{name} " in listed
        assert line in " ".join(listed.split())


@pytest.mark.parametrize("program", ["import headrace", "import headrace.cli; import headrace.cli.main"])
def test_importing_loads_nothing_heavy(program: str) -> None:
    report = f"{program}; import sys; print([m for m in {HEAVY!r} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", report], text=True).strip() == "[]"


def test_help_loads_nothing_heavy() -> None:
    report = (
        "import sys, atexit; sys.argv = ['headrace', '--help'];"
        f"atexit.register(lambda: print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr));"
        "from headrace.cli import main; main()"
    )
    found = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True)
    assert "Usage: headrace" in found.stdout
    assert found.stderr.strip() == "[]"


@pytest.mark.parametrize(
    "arguments", [(), ("rnu",), ("run",), ("raw", "x"), ("query", "select 1", "--format", "xml"), ("status", "--nope")]
)
def test_bad_use(invoke: Invoke, snapshot: Snapshot, arguments: tuple[str, ...]) -> None:
    said = invoke(*arguments)
    assert (said.code, said.out) == (2, "")
    snapshot(f"use-{'-'.join(a.strip('-') for a in arguments[:1]) or 'nothing'}", said.err)


def test_version(invoke: Invoke) -> None:
    assert invoke("--version").out.startswith("headrace, version ")


def test_a_closed_pipe_is_no_error() -> None:
    found = subprocess.run(
        f"{sys.executable} -c 'from headrace.cli import main; main()' schema | head -1", shell=True,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert (found.stdout, found.stderr) == ("{\n", "")
