"""What a base install weighs, and what Arrow in Python weighs in each of its packages."""

from __future__ import annotations

import subprocess
import tempfile
import venv
from pathlib import Path

from common import HERE, WORK, Figure, Given, Outcome

ARROWS = {
    "pyarrow": ["pyarrow"],
    "nanoarrow": ["nanoarrow"],
    "arro3": ["arro3-core", "arro3-compute"],
}
SHOWN = 8


def run(given: Given) -> Outcome:
    tools = WORK / "pip"
    if not (tools / "bin" / "pip").exists():
        venv.create(tools, with_pip=True)
    pip = [str(tools / "bin" / "python"), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    with tempfile.TemporaryDirectory(dir=WORK) as folder:
        base = Path(folder, "base")
        subprocess.run([*pip, "--target", str(base), str(HERE.parent)], check=True)
        sizes = {entry.name: _megabytes(entry) for entry in base.iterdir()}
        arrows = {}
        for name, packages in ARROWS.items():
            place = Path(folder, name)
            subprocess.run([*pip, "--no-deps", "--target", str(place), *packages], check=True)
            arrows[name] = _megabytes(place)
    largest = sorted(sizes.items(), key=lambda item: -item[1])[:SHOWN]
    lines = ["| in a base install | MB |", "|---|---:|", *(f"| {name} | {size:.1f} |" for name, size in largest), "",
             "| Arrow as | MB |", "|---|---:|", *(f"| {name} | {size:.1f} |" for name, size in arrows.items())]  # fmt: skip
    figures = [Figure("base_install_mb", sum(sizes.values()))]
    return Outcome([*figures, *(Figure(f"{name}_mb", size) for name, size in arrows.items())], lines)


def _megabytes(path: Path) -> float:
    """Of files as they are after an install, without byte code."""
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return sum(p.stat().st_size for p in files if p.suffix != ".pyc") / 1e6
