"""The command line ends at once, with everything that was to happen before it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from headrace.destinations import from_url

SLOW_END = """
class Late:
    def __del__(self):
        print("taken apart", flush=True)
import builtins
builtins.late = Late()
builtins.late.self = builtins.late
"""


def made(folder: Path) -> str:
    url = f"sqlite:///{folder}/made.db"
    with from_url(url).open():
        return url


def ended(code: str, *arguments: str) -> tuple[int, str]:
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    found = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=120, env=buffered
    )
    return found.returncode, found.stdout


def test_modules_and_models_are_not_taken_apart() -> None:
    assert ended(f"{SLOW_END}from headrace.cli import main; main()", "--version")[1].count("taken apart") == 0
    assert "taken apart" in ended(SLOW_END)[1], "Python itself does"


@pytest.mark.parametrize(("arguments", "code"), [(("--version",), 0), (("nope",), 2), (("check", "nowhere.yml"), 2)])
def test_the_exit_code_and_what_was_printed_arrive(arguments: tuple[str, ...], code: int) -> None:
    program = "import sys; sys.stdout.write('before '); from headrace.cli import main; main()"  # not flushed by itself
    found = ended(program, *arguments)
    assert found[0] == code
    assert found[1].startswith("before ")


def test_exit_handlers_run_whoever_registered_them() -> None:
    early = "import atexit; atexit.register(print, 'early'); from headrace.cli import main; main()"
    assert ended(early, "--version")[1].endswith("early\n")
    late = (
        "import atexit, sys\n"
        "class Out:\n"
        "    def write(self, text): atexit.register(print, 'late', file=sys.__stdout__); sys.__stdout__.write(text)\n"
        "    def flush(self): sys.__stdout__.flush()\n"
        "from headrace.cli import main\n"
        "sys.stdout = Out(); main()"
    )
    assert ended(late, "--version")[1].endswith("late\n")


def test_output_that_nobody_took_is_told() -> None:
    """What Python says when its last flush fails is not lost either."""
    code = "import sys; from headrace.cli import main; sys.stdout.write('x'); sys.argv[1:] = ['check', 'nowhere.yml']; main()"
    with open("/dev/full", "w") as full:
        found = subprocess.run(
            [sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True, timeout=120
        )
    assert found.returncode != 0
    assert "No space left" in found.stderr


@pytest.mark.parametrize(
    "arguments", [["--version"], ["check", "nowhere.yml", "--json"], ["schema"], ["query", "SELECT 1"]]
)
def test_a_full_disk_under_the_output_is_no_defect_of_ours(arguments: list[str], tmp_path: Path) -> None:
    if arguments[0] == "query":
        arguments = [*arguments, "--destination", made(tmp_path), "--format", "csv"]
    with open("/dev/full", "w") as full:
        found = subprocess.run(
            [sys.executable, "-m", "headrace", *arguments], stdout=full, stderr=subprocess.PIPE, text=True, timeout=120
        )
    assert found.returncode in (1, 2)
    assert "error: the output could not be written: No space left on device" in found.stderr
    assert "internal error" not in found.stderr
    assert "Traceback" not in found.stderr
