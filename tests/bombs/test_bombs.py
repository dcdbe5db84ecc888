"""Answers and files made to use up memory or time: a clear error that names the limit, and nothing half-written."""

from __future__ import annotations

import gzip
import json
import os
import re
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import brotli
import pytest
import zstandard

from headrace.testing.loopback import Asked, Reply, listening

Write = Callable[[bytes], Any]
Bomb = Callable[[Write], None]
_PATIENCE = 300.0
_ADDRESS_SPACE = 8 << 30
"""A process that grows beyond all bounds ends here, not the machine."""


@dataclass
class Bombs:
    """``/NAME`` writes what ``made[NAME]`` writes, head and body."""

    url: str = ""
    made: dict[str, Bomb] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def bombs() -> Iterator[Bombs]:
    found = Bombs()

    def answer(asked: Asked) -> Reply:
        found.asked.append(asked.target)
        return Reply(write=found.made[asked.path.strip("/")])

    with listening(answer) as found.url:
        yield found


def head(content_type: str = "application/json", *more: str) -> bytes:
    """The head of an answer whose end is the connection's."""
    lines = ["HTTP/1.1 200 OK", f"Content-Type: {content_type}", *more, "Connection: close", "", ""]
    return "\r\n".join(lines).encode()


def whole(body: bytes, content_type: str = "application/json", *more: str) -> Bomb:
    def send(write: Write) -> None:
        write(head(content_type, f"Content-Length: {len(body)}", *more) + body)

    return send


def endless(begin: bytes, piece: bytes, content_type: str = "application/json", *more: str) -> Bomb:
    def send(write: Write) -> None:
        write(head(content_type, *more) + begin)
        while True:
            write(piece * (1_000_000 // len(piece) + 1))

    return send


@dataclass(frozen=True)
class Outcome:
    code: int
    told: str
    """All that was printed."""
    megabytes: int
    """Resident at the peak."""
    pages: int
    rows: int


class Runner:
    """Runs a pipeline file against one bomb, with the command line."""

    def __init__(self, folder: Path, bombs: Bombs) -> None:
        self.folder, self.bombs = folder, bombs

    def file(self, name: str, **config: Any) -> Path:
        whole = {
            "url": f"{self.bombs.url}/{name}",
            "data_path": "",
            "destination": {"table": "items"},
            "rate_limit": {"requests_per_second": 1000, "max_retries": 0},
            **config,
        }
        step = {"step": "crawl", "processor": "generic.api_extractor", "config": whole}
        path = self.folder / "bomb.yml"
        path.write_text(json.dumps({"steps": [step]}))
        return path

    def run(self, name: str, **config: Any) -> Outcome:
        database = self.folder / "made.sqlite"
        return self.command(
            "run", str(self.file(name, **config)), "--destination", f"sqlite:///{database}", database=database
        )

    def several(self, configs: dict[str, dict[str, Any]]) -> dict[str, Outcome]:
        """One run after the other in one process: ``megabytes`` is the most that there was up to its end."""
        jobs = []
        for name, config in configs.items():
            folder = self.folder / name
            folder.mkdir()
            path = Runner(folder, self.bombs).file(name, **config)
            jobs.append([name, ["run", str(path), "--destination", f"sqlite:///{folder}/made.sqlite"]])
        environ = {**os.environ, "HEADRACE_STATE": str(self.folder / "state"), "NO_COLOR": "1", "COLUMNS": "1000"}
        done = subprocess.run(
            [sys.executable, "-c", _SEVERAL, json.dumps(jobs)], capture_output=True, text=True, env=environ, timeout=_PATIENCE,
            check=True,
        )  # fmt: skip
        found = {}
        for line in done.stdout.splitlines():
            name, code, told, kilobytes = json.loads(line)
            assert not re.search("Traceback|internal error", told), told[-3000:]
            pages, rows = _written(self.folder / name / "made.sqlite")
            found[name] = Outcome(code, told, kilobytes // 1024, pages, rows)
        return found

    def command(self, *arguments: str, database: Path | None = None) -> Outcome:
        printed, peak = self.folder / "printed", self.folder / "peak"
        peak.unlink(missing_ok=True)
        environ = {**os.environ, "HEADRACE_STATE": str(self.folder / "state"), "NO_COLOR": "1", "COLUMNS": "1000"}
        with printed.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-c", _ALONE, str(peak), *arguments], stdout=out, stderr=subprocess.STDOUT, env=environ
            )
            resource.prlimit(process.pid, resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))
            hang = threading.Timer(_PATIENCE, os.kill, (process.pid, signal.SIGKILL))
            hang.start()
            _, status = os.waitpid(process.pid, 0)
            hang.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        told = printed.read_text("utf-8", "replace")
        assert not re.search("Traceback|internal error", told), told[-3000:]
        return Outcome(process.returncode, told, int(peak.read_text()) // 1024, *_written(database))


_PEAK = """
def peak():
    with open("/proc/self/status") as facts:
        return int(next(line for line in facts if line.startswith("VmHWM")).split()[1])
"""
"""KB of this program alone: what ``getrusage`` tells begins with the memory of the tests that started it."""
_ALONE = f"""
import atexit, runpy, sys
from pathlib import Path
{_PEAK}
told = Path(sys.argv.pop(1))
atexit.register(lambda: told.write_text(str(peak())))
runpy.run_module("headrace", run_name="__main__", alter_sys=True)
"""
_SEVERAL = f"""
import contextlib, io, json, sys
from headrace.cli._failure import guarded
from headrace.cli.main import cli
{_PEAK}
for name, arguments in json.loads(sys.argv[1]):
    said, facts = io.StringIO(), dict()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        run = lambda: cli.main(arguments, prog_name="headrace", standalone_mode=False, obj=facts)
        code = guarded(run, arguments, facts)
    print(json.dumps([name, code, said.getvalue(), peak()]))
"""


def _written(database: Path | None) -> tuple[int, int]:
    """Archived pages and rows."""
    if database is None or not database.exists():
        return 0, 0
    with closing(sqlite3.connect(database)) as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        return tuple(
            connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] if name in names else 0
            for name in ("crawl_raw_pages", "items")
        )


@pytest.fixture
def runner(tmp_path: Path, bombs: Bombs) -> Runner:
    return Runner(tmp_path, bombs)


MEGABYTES = 850
"""A body may have 256 MB, and is held at most twice beside the program itself."""
TOO_LARGE = "the answer is larger than 268,435,456 bytes"
SMALLER = "ask for smaller pages: set limit under pagination"
ZEROS = b"0" * 16_000_000


def packed_bomb(coding: str) -> bytes:
    """About 1 MB or less that becomes more than 1 GB."""
    if coding == "gzip":
        return gzip.compress(ZEROS, 9, mtime=0) * 68
    if coding == "zstd":
        return zstandard.compress(ZEROS) * 68
    compressor = brotli.Compressor(quality=1)
    return b"".join(compressor.process(ZEROS) for _ in range(68)) + compressor.finish()


def a_declared_gigabyte(write: Write) -> None:
    write(head("application/json", "Content-Length: 1073741824"))


def many_headers(write: Write) -> None:
    write(b"HTTP/1.1 200 OK\r\n")
    for number in range(1_000_000):
        write(b"X-%d: y\r\n" % number)


BOMBS: dict[str, tuple[Bomb, dict[str, Any], tuple[str, ...], int]] = {
    "an endless body": (endless(b"[1", b",1"), {}, (TOO_LARGE, SMALLER), MEGABYTES),
    "a declared gigabyte": (a_declared_gigabyte, {}, (TOO_LARGE, SMALLER), 250),
    "a line without end": (endless(b'{"a": "', b"x", "application/x-ndjson"), {}, (TOO_LARGE, SMALLER), MEGABYTES),
    "a field without end": (endless(b'a,b\n1,"', b"x\n", "text/csv"), {}, (TOO_LARGE, SMALLER), MEGABYTES),
    "gzip": (whole(packed_bomb("gzip"), "application/json", "Content-Encoding: gzip"), {}, (TOO_LARGE,), MEGABYTES),
    "zstd": (whole(packed_bomb("zstd"), "application/json", "Content-Encoding: zstd"), {}, (TOO_LARGE,), MEGABYTES),
    "br": (whole(packed_bomb("br"), "application/json", "Content-Encoding: br"), {}, (TOO_LARGE,), MEGABYTES),
    "a flood of headers": (many_headers, {}, ("sent too many headers: at most 128 are read",), 250),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused(name: str, bombs: Bombs, runner: Runner) -> None:
    bomb, config, told, most = BOMBS[name]
    bombs.made["x"] = bomb
    outcome = runner.run("x", **config)
    assert outcome.code == 1
    for text in told:
        assert text in outcome.told
    assert (outcome.pages, outcome.rows) == (0, 0)
    assert outcome.megabytes < most


def page(next: Any) -> bytes:
    return json.dumps({"items": [{"id": 1}], "next": next}).encode()


def entities() -> bytes:
    declared = b"".join(b'<!ENTITY e%d "%s">' % (n, b"&e%d;" % (n - 1) * 10) for n in range(1, 10))
    return b"<!DOCTYPE a [" + declared + b"]><a>&e9;</a>"


def links(first: int, last: int) -> str:
    return "Link: " + ", ".join(f'</{n}>; rel="r{n}"' for n in range(first, last))


def retry_after(write: Write) -> None:
    write(b"HTTP/1.1 429 Slow\r\nRetry-After: " + b"9" * 400 + b"\r\nContent-Length: 0\r\n\r\n")


def paged(**pagination: Any) -> dict[str, Any]:
    return {"data_path": "items", "pagination": {"type": "cursor", "response_path": "next", **pagination}}


LONG = page("x" * 5_000_000)
IN_BODY = {"method": "POST", "body": {"json": {}}, **paged(**{"in": "body"})}
NESTED = ("the body is nested too deeply", "JSON with about 1,000 levels and more is refused")
TOO_LONG = "the cursor at 'next' has 5,000,000 characters: at most 65,536 can be sent"
SMALL: dict[str, tuple[Bomb, dict[str, Any], tuple[str, ...]]] = {
    "nested_json": (whole(b"[" * 1_000_000), {}, NESTED),
    "nested_objects_without_length": (lambda write: write(head() + b'{"a":' * 1_000_000), {}, NESTED),
    "nested_lines": (whole(b"[" * 1_000_000, "application/x-ndjson"), {}, ("line 1: the body is nested too deeply",)),
    "nested_xml": (whole(b"<a>" * 1_000_000, "text/xml"), {}, ("nested deeper than 200 elements",)),
    "entities": (whole(entities(), "text/xml"), {}, ("declares a DOCTYPE, which is never read",)),
    "records": (whole(b"[" + b"1," * 2_000_000 + b"1]"), {}, ("more than 2,000,000 records", SMALLER)),
    "lines": (whole(b"1\n" * 2_000_001, "text/jsonl"), {}, ("more than 2,000,000 lines", SMALLER)),
    "fields": (whole(b"," * 1_000_001, "text/csv"), {}, ("a row has more than 1,000,000 fields", "delimiter")),
    "field": (
        whole(b'a,b\n1,"' + b"x" * 17_000_000, "text/csv"),
        {},
        ("line 2: a field is longer than 16,777,216 characters", "decode: {type: csv, quote: ''}"),
    ),
    "controls": (
        whole(b'["' + b"\1" * 10_000_001 + b'"]'),
        {},
        ("10,000,001 bytes of the body are control characters",),
    ),
    "not_utf8": (whole(b'["' + b"\xff" * 10_000_001 + b'"]'), {}, ("10,000,001 bytes of the body are not UTF-8",)),
    "header": (whole(b"[]", "text/x", "X: " + "y" * 9_000_000), {}, ("sent a header of more than 65,536 bytes",)),
    "links": (
        whole(b"[1]", "text/x", links(0, 100_000)),
        {"pagination": {"type": "link"}},
        ("more than 65,536 bytes",),
    ),
    "retry_after": (
        retry_after,
        {"rate_limit": {"max_retries": 1}},
        ("asks to wait 998,", "raise rate_limit.max_wait"),
    ),
    "cursor": (whole(LONG), paged(), (TOO_LONG, "in: body carries more")),
    "cursor_in_a_header": (whole(LONG), paged(**{"in": "header"}), (TOO_LONG,)),
    "cursor_of_objects": (
        whole(page({"a": "x" * 5_000_000})),
        paged(merge=True),
        ("the cursor at 'next' has 5,000,008 characters: at most 65,536",),
    ),
    "cursor_in_the_body": (whole(LONG), IN_BODY, ("has 5,000,000 characters: at most 1,000,000 can be sent",)),
    "link_in_the_body": (
        whole(page("/?" + "x" * 5_000_000)),
        {"data_path": "items", "pagination": {"type": "link", "response_path": "next"}},
        ("the link at 'next' has 5,000,002 characters: at most 65,536 can be sent",),
    ),
    "codings": (whole(b"x", "text/x", "Content-Encoding: " + "gzip," * 10_000), {}, ("its body is not gzip",)),
}


def test_bombs_of_a_few_megabytes(bombs: Bombs, runner: Runner) -> None:
    bombs.made |= {name: bomb for name, (bomb, _, _) in SMALL.items()}
    found = runner.several({name: config for name, (_, config, _) in SMALL.items()})
    assert {name: outcome.code for name, outcome in found.items()} == dict.fromkeys(SMALL, 1)
    for name, (_, _, told) in SMALL.items():
        for text in told:
            assert text in found[name].told, name
        assert len(found[name].told) < 2_000, name
        assert (found[name].pages, found[name].rows) == (0, 0), name
        assert found[name].megabytes < 500, name


def test_what_is_large_but_right_is_taken(bombs: Bombs, runner: Runner) -> None:
    """The bounds do not stand in the way of answers that are only unusual."""
    deep = b'[{"id": 1, "a": ' + b"[" * 900 + b"]" * 900 + b"}]"
    fine: dict[str, tuple[Bomb, dict[str, Any]]] = {
        "deep": (whole(deep), {}),
        "many_links": (
            whole(b'[{"id": 1}]', "text/x", *(links(n, n + 2000) for n in range(0, 100_000, 2000))),
            {"pagination": {"type": "link"}},
        ),
        "members": (
            whole(gzip.compress(b'[{"id": 1}]') + gzip.compress(b"") * 50_000, "text/x", "Content-Encoding: gzip"),
            {},
        ),
        "text": (whole(b'id,t\n1,"' + b"x, y\n" * 300_000 + b'"\n', "text/csv"), {}),
    }
    bombs.made |= {name: bomb for name, (bomb, _) in fine.items()}
    found = runner.several({name: config for name, (_, config) in fine.items()})
    assert {name: (o.code, o.pages, o.rows) for name, o in found.items()} == dict.fromkeys(fine, (0, 1, 1))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "a: &a [x]\n" + "".join(f"{c}: &{c} [*a, *a]\n" for c in "bcdefghi"),
            "1:4: an anchor (&a): anchors are not read",
        ),
        ("steps: " + "[" * 990_000, ":1:107: nested deeper than 100 levels"),
        ("steps: " + "{a: " * 200_000, ":1:404: nested deeper than 100 levels"),
        ("steps: '" + "x" * 1_000_000, ":1:1: larger than 1 MB: this is not a pipeline file"),
        ("steps: [{step: " + "9" * 900_000 + "}]", "a number of 900000 characters: quote it if it is a text"),
    ],
    ids=["aliases", "lists", "maps", "text", "number"],
)
def test_a_file_that_is_a_bomb(text: str, told: str, runner: Runner) -> None:
    path = runner.folder / "bomb.yml"
    path.write_text(text)
    outcome = runner.command("check", str(path))
    assert outcome.code == 2
    assert told in outcome.told
    assert len(outcome.told) < 2_000
    assert outcome.megabytes < 250
