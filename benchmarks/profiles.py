"""Where the time goes: samples of a crawl into each destination, as text in ``profiles/`` (``profiles.py [--records N]``).

py-spy samples all threads that hold the interpreter or a processor, 200 times a second; its environment is made once.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import venv
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from common import HERE, WORK, finish, folder, headrace, postgres, server, start

SHOWN = 40
PY_SPY = "py-spy==0.4.*"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--records", type=int, default=100_000)
    total = options.parse_args().records
    (HERE / "profiles").mkdir(exist_ok=True)
    with server(total, 100) as url, postgres() as database:
        targets: dict[str, Callable[[Path], str]] = {
            "duckdb": lambda f: f"duckdb:///{f}/films.duckdb",
            "sqlite": lambda f: f"sqlite:///{f}/films.db",
            "postgres": lambda _: database.new(),
        }
        for name, target in targets.items():
            with folder() as where, tempfile.NamedTemporaryFile("r") as samples:
                command = headrace(HERE / "films.yml", target(where), url)
                sampled = [py_spy(), "record", "-r", "200", "-F", "-f", "raw", "-o", samples.name, "--", *command]
                finish(start(sampled), total)
                text = report(samples.read())
            title = f"{total:,} films into {name}; python benchmarks/profiles.py --records {total}\n\n"
            (HERE / "profiles" / f"{name}.txt").write_text(title + text)
            print(f"profiles/{name}.txt")


def report(raw: str) -> str:
    """The functions that most samples ended in, and those that most were under."""
    at, under = Counter[str](), Counter[str]()
    for line in raw.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = [frame for frame in stack.split(";") if frame]
        if frames:
            at[frames[-1]] += int(count)
            under.update(dict.fromkeys(frames, int(count)))
    total = at.total()
    lines = []
    for title, found in (("In the function itself", at), ("In it and what it calls", under)):
        lines += [title, *(f"{count / total:6.1%}  {frame}" for frame, count in found.most_common(SHOWN)), ""]
    return "\n".join(lines)


def py_spy() -> str:
    """The sampler, from an environment of its own."""
    tools = WORK / "pip"
    found = tools / "bin" / "py-spy"
    if not found.exists():
        venv.create(tools, with_pip=True)
        subprocess.run([str(tools / "bin" / "python"), "-m", "pip", "install", "-qq", PY_SPY], check=True)
    return str(found)


if __name__ == "__main__":
    main()
