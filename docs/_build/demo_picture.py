"""Record ``make demo`` in a terminal of its own and write what it shows to ``docs/img/demo.svg``.

    python docs/_build/demo_picture.py

Real output of a real run: the bytes go through a small terminal (cursor movements of the progress bar
included), and rich draws the screen.
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parents[2]
WIDTH = 118
_PART = re.compile(r"\x1b\[(?P<args>[?\d;]*)(?P<do>[A-Za-z])|\x1b\][^\x07]*\x07|\x1b.|(?P<move>[\r\n\b])|(?P<char>[^\x1b\r\n\b])")


def record() -> str:
    """What the demo writes to a terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 60, WIDTH, 0, 0))
    environ = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(WIDTH), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "headrace.sandbox.demo"], stdout=theirs, stderr=theirs, stdin=theirs, cwd=ROOT, env=environ
    )
    os.close(theirs)
    said = bytearray()
    while True:
        try:
            said += os.read(ours, 65_536)
        except OSError:  # the demo has closed its end
            break
    if process.wait():
        raise SystemExit(said.decode())
    return said.decode()


def screen(said: str) -> list[list[tuple[str, str]]]:
    """The lines that a terminal shows in the end, as (character, its colours)."""
    lines: list[list[tuple[str, str]]] = [[]]
    row = column = 0
    colours = ""
    for part in _PART.finditer(said):
        if part["char"]:
            line = lines[row]
            line += [(" ", "")] * (column + 1 - len(line))
            line[column] = (part["char"], colours)
            column += 1
        elif part["move"] == "\r":
            column = 0
        elif part["move"] == "\b":
            column = max(column - 1, 0)
        elif part["move"] == "\n":
            row += 1
            if row == len(lines):
                lines.append([])
        elif part["do"] == "m":
            colours = "" if part["args"] in ("", "0") else f"{colours}\x1b[{part['args']}m"
        elif part["do"] == "A":
            row = max(row - int(part["args"] or 1), 0)
        elif part["do"] == "K":
            del lines[row][0 if part["args"] == "2" else column :]
    return lines


def _runs(line: list[tuple[str, str]]) -> Iterator[str]:
    for colours, cells in groupby(line, key=lambda cell: cell[1]):
        text = "".join(char for char, _ in cells)
        yield f"{colours}{text}\x1b[0m" if colours else text


def main() -> None:
    """Record, and write the picture."""
    lines = screen(re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:8642", record()))
    text = "\n".join("".join(_runs(line)) for line in lines)
    shown = Text.from_ansi(text.strip())
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(shown, soft_wrap=False)
    picture = console.export_svg(title="make demo", unique_id="demo")
    # The picture has to be complete by itself: nothing from elsewhere.
    picture = re.sub(r"@font-face \{.*?\}\s*|<!--.*?-->\s*", "", picture, flags=re.DOTALL)
    (ROOT / "docs/img").mkdir(exist_ok=True)
    (ROOT / "docs/img/demo.svg").write_text(picture.replace("Fira Code", "ui-monospace, Menlo, Consolas"))


if __name__ == "__main__":
    main()
