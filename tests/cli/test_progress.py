"""Progress as a terminal shows it, and as a file gets it."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from headrace.cli import _progress, _table
from headrace.core import events
from headrace.sandbox.thread import Sandbox

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def in_a_terminal(arguments: tuple[str, ...], columns: int) -> tuple[int, str, list[str]]:
    """(exit code, stdout, the lines that stderr showed at any moment) of a run whose stderr is a terminal."""
    import pty

    master, slave = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "LINES": "24", "TERM": "xterm-256color"}
    program = [sys.executable, "-c", "from headrace.cli import main; main()", *arguments]
    process = subprocess.Popen(program, stdin=slave, stdout=subprocess.PIPE, stderr=slave, env=environment)
    os.close(slave)
    shown = bytearray()

    def read() -> None:
        while True:
            try:
                found = os.read(master, 65536)
            except OSError:  # the last writer has gone
                return
            if not found:
                return
            shown.extend(found)

    reader = threading.Thread(target=read)
    reader.start()
    out, _ = process.communicate(timeout=60)
    reader.join(10)
    os.close(master)
    lines = re.split(r"[\r\n]+", ESCAPES.sub("", shown.decode(errors="replace")))
    return process.returncode, out.decode(), [line for line in lines if line.strip()]


@pytest.mark.parametrize("columns", [40, 120])
def test_the_bar_fits_the_terminal(sandbox: Sandbox, sapi: tuple[str, ...], columns: int) -> None:
    sandbox.fault("status_429_seconds", path="/shows/*", nth=[3])
    code, out, lines = in_a_terminal(sapi, columns)
    assert code == 0
    assert out.startswith("Done: 5 pages with 6 requests, 1 retry in ")
    assert max(_table.measure(line) for line in lines) <= columns
    text = "\n".join(lines)
    assert "✓ Fetching" in lines[-1]
    assert "5 pages" in lines[-1]
    if columns == 120:
        assert re.search(r"5 pages · [\d,]+ rows · \d+\.\d requests/s · 1 retry", lines[-1])
        assert re.search(r"waiting 1 s \(.*429", text)


def test_a_file_gets_plain_lines(invoke: Callable[..., Any], sapi: tuple[str, ...]) -> None:
    said = invoke(*sapi)
    lines = said.err.splitlines()
    assert lines[0] == "Fetching titles"
    assert re.fullmatch(r"Fetching titles: 5 pages · [\d,]+ rows · \d+\.\d requests/s", lines[-1])
    assert "\x1b" not in said.err
    assert invoke(*sapi, "--progress", "none").err == ""


def feed(progress: Any, *given: events.Event) -> None:
    for event in given:
        progress.emit(event)


STEP_A = events.StepStarted("r", "a", "Fetching a", slices=3)
STEP_B = events.StepStarted("r", "b", "Fetching b")


def page(step: str, number: int, records: int = 10, part: str = "") -> events.PageFetched:
    return events.PageFetched("r", step, part, number, records, 100, False)


def commit(step: str, rows: int, total: int | None = None, slices: int = 0) -> events.BatchCommitted:
    return events.BatchCommitted("r", step, 1, {"t": rows}, None, 1, 0.1, total, slices)


def test_each_step_counts_for_itself() -> None:
    stream = io.StringIO()
    plain = _progress.Plain(stream)
    feed(plain, STEP_A, page("a", 1, part="x"), commit("a", 10, slices=1), events.StepFinished("r", "a", "done"))
    feed(plain, STEP_B, page("b", 1), page("b", 2), commit("b", 20), events.StepFinished("r", "b", "done"))
    assert stream.getvalue() == (
        "Fetching a, 3 slices\nFetching a: 1 page · 10 rows · 1 of 3 slices · 0.0 requests/s\n"
        "Fetching b\nFetching b: 2 pages · 20 rows · 0.0 requests/s\n"
    )


def test_the_share_counts_what_earlier_calls_fetched() -> None:
    counts = _progress.Counts()
    for event in (page("a", 6), page("a", 7), commit("a", 20, total=100)):
        counts.add(event)
    assert counts.text() == "2 pages (+5 before) (70 %) · 20 rows · 0.0 requests/s"


@pytest.mark.parametrize("width", range(1, 120, 7))
def test_a_line_never_exceeds_its_width(width: int) -> None:
    counts = _progress.Counts("t", 5)
    given = (
        page("a", 1), commit("a", 123_456, total=10), events.Waiting("r", "a", 30, "the API's quota is used up"),
        events.RequestRetried("r", "a", "u", 1, "503", 2), events.SliceFailed("r", "a", "s", "e", 1),
    )  # fmt: skip
    for event in given:
        counts.add(event)
    assert len(counts.text(width)) <= width


def test_what_an_api_says_cannot_command_the_terminal() -> None:
    stream = io.StringIO()
    plain = _progress.Plain(stream)
    feed(plain, events.Warned("r", "evil \x1b[2J\nsecond line"))
    assert stream.getvalue() == "warning: evil \\x1b[2J second line\n"


def test_notices() -> None:
    said = [
        _progress.notice(event)
        for event in (
            events.RemovalsFound("r", "t", 300, 1000, "held"),
            events.RemovalsFound("r", "t", 3, 1000, "applied"),
            events.RecordsRejected("r", "t", 1, "no id"),
            events.SchemaChanged("r", "t", "c", "int", "float"),
            events.SchemaChanged("r", "t", "c", "untyped", "int"),
            events.Suspicion("run-7", "a", "nothing came", "headrace accept RUN_ID"),
        )
    ]
    assert said == [
        "300 of 1,000 rows of t are gone at once: held back, see `headrace removals list`",
        "3 of 1,000 rows of t are no longer there (kept, see t_removed)",
        "1 record kept in t_rejected: no id",
        "column t.c widened from int to float",
        None,
        "suspicious: nothing came (remedy: headrace accept run-7)",
    ]


def test_tables_fit_and_keep_numbers_to_the_right() -> None:
    rows = [("a" * 100, 1, None), ("日本語", 22, b"\x00\x01"), ("x\ty", 3, True)]
    lines = list(_table.table(("name", "n", "more"), rows, width=40))
    assert all(_table.measure(line) <= 40 for line in lines)
    assert lines[3].split()[-2:] == ["22", "0001"]
    assert "x\\ty" in lines[4]
    wide = list(_table.table([f"column_{i}" for i in range(20)], [tuple(range(20))], width=60))
    assert all(len(line) <= 60 for line in wide)
    assert re.search(r"\(\+\d+ more\)$", wide[0])
