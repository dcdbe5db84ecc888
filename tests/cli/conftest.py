"""The command line, in this process where that is enough and as a process where signals and kills matter."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from headrace.cli._failure import guarded
from headrace.cli.main import cli
from headrace.sandbox.options import Options
from headrace.sandbox.thread import Sandbox, run_in_thread
from headrace.testing.loopback import Asked, Reply, listening

HOST = "streaming-availability.p.rapidapi.com"
KEY = "sandbox-key-of-the-tests"
PROGRAM = [sys.executable, "-c", "from headrace.cli import main; main()"]


@dataclass(frozen=True)
class Said:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """stdout as the one JSON document that it has to be."""
        found: dict[str, Any] = json.loads(self.out)
        return found


Invoke = Callable[..., Said]


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with run_in_thread(Options(titles=100, signatures="fixed")) as served:
        yield served


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory with a state folder of its own, and nothing of the caller's environment."""
    for name in [n for n in os.environ if n.startswith("HEADRACE_") or n.endswith("_API_KEY") or n == "DATABASE_URL"]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEADRACE_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("SAPI_API_KEY", KEY)
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path


@pytest.fixture
def invoke(capfd: pytest.CaptureFixture[str]) -> Invoke:
    """Run a command in this process."""

    def call(*arguments: str) -> Said:
        capfd.readouterr()
        facts: dict[str, Any] = {}
        given = list(arguments)
        code = guarded(lambda: cli.main(given, prog_name="headrace", standalone_mode=False, obj=facts), given, facts)
        sys.stdout.flush()
        said = capfd.readouterr()
        return Said(code, said.out, said.err)

    return call


@pytest.fixture
def sapi(sandbox: Sandbox) -> Iterator[tuple[str, ...]]:
    """``run sapi`` against the sandbox, with no fault in force."""
    sandbox.clear_faults()
    yield ("run", "sapi", "--rewrite", f"{HOST}={sandbox.url}")
    sandbox.clear_faults()


class Process:
    """A command as a process of its own."""

    def __init__(self, arguments: Sequence[str], **environ: str) -> None:
        pipe = subprocess.PIPE
        environment = {**os.environ, **environ}
        self.popen = subprocess.Popen([*PROGRAM, *arguments], stdout=pipe, stderr=pipe, text=True, env=environment)

    def end(self) -> Said:
        out, err = self.popen.communicate(timeout=60)
        return Said(self.popen.returncode, out, err)


@pytest.fixture
def begin() -> Iterator[Callable[..., Process]]:
    """Start commands as processes; what is left of them is killed at the end."""
    begun: list[Process] = []

    def start(*arguments: str, **environ: str) -> Process:
        begun.append(Process(arguments, **environ))
        return begun[-1]

    yield start
    for process in begun:
        process.popen.kill()
        process.popen.communicate()


Answers = dict[str, tuple[int, str, bytes]]


@pytest.fixture
def api() -> Iterator[tuple[str, Answers]]:
    """An API that answers what a test says: its URL, and path to (status, content type, body)."""
    answers: Answers = {}

    def answer(asked: Asked) -> Reply:
        default = (404, "application/json", b'{"message": "no such thing"}')
        status, kind, body = answers.get(asked.target, answers.get(asked.path, default))
        return Reply(body, status, (("Content-Type", kind),))

    with listening(answer) as url:
        yield url, answers


@pytest.fixture
def pipeline(home: Path, api: tuple[str, Answers]) -> Callable[..., str]:
    """Write ``my.yml`` for one table of that API; keys of the step's config can be replaced."""
    import yaml

    def write(**config: Any) -> str:
        step = {
            "url": "/items",
            "data_path": "items",
            "rate_limit": {"requests_per_second": 1000, "max_retries": 0},
            "tables": [{"table": "items", "key": ["id"], "columns": {"id": "id", "name": "name"}}],
            **config,
        }
        entry = {"step": "fetch", "processor": "generic.api_extractor", "config": step}
        document: Mapping[str, Any] = {"pipeline_id": "my", "source": {"base_url": api[0]}, "steps": [entry]}
        (home / "my.yml").write_text(yaml.safe_dump(dict(document), sort_keys=False), encoding="utf-8")
        return "my.yml"

    return write


SNAPSHOTS = Path(__file__).parent / "snapshots"
UPDATE = "HEADRACE_UPDATE_SNAPSHOTS"
_update = UPDATE in os.environ  # read before the environment is emptied

_SAME: tuple[tuple[str, str], ...] = (
    (r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "<run>"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:<port>"),
    (r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?( UTC|Z)?", "<time>"),
    (r"process \d+", "process <pid>"),
    (r"in \d+\.\d+ s", "in <n> s"),
    (r"\b\d+ s ago", "<n> s ago"),
)


@pytest.fixture
def snapshot(home: Path) -> Callable[[str, str], None]:
    """Compare a text with ``snapshots/<name>.txt``; HEADRACE_UPDATE_SNAPSHOTS=1 writes it instead."""

    def compare(name: str, text: str) -> None:
        text = text.replace(str(home), "<home>")
        for pattern, word in _SAME:
            text = re.sub(pattern, word, text)
        path = SNAPSHOTS / f"{name}.txt"
        if _update:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"no snapshot {path.name}: run with {UPDATE}=1"
        assert text == path.read_text(encoding="utf-8"), f"run with {UPDATE}=1 if that is right"

    return compare
