"""Every block of the README and of docs/ does what its page says.

The blocks of a page run in order, in one empty folder, as in one terminal: `bash` with the exports of the
blocks before it, `python` in one namespace, `yaml` through the loader. What stands behind the language:

- `file=NAME`: the block is that file, and is checked as what it is
- `in=file|source|config|table`: a part of a pipeline file, loaded as that part of a whole one
- `file=NAME wrong`: a file that the loader refuses
- `crawl=STYLE`: the configuration of an extract step that walks this style (or path) of the sandbox to its end and
  lands each of its 1,000 records (`rows=N`: so many) once; `failing`: the first run fails, and the next go on
- `exit=N`: the exit code that is expected, else 0
- `background`: runs beside the blocks that follow
- `output` (text): the output of the block before; `…` stands for any text, alone on a line for any lines
- `no-run: WHY`: not run

The sandbox's usual port is replaced by a free one, and `postgresql://me@localhost/warehouse` and `http://127.0.0.1:9000` (S3) by servers
of the tests. A `pyproject.toml` with entry points is installed by its metadata alone.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
LIMIT_NO_RUN = 7
LIMIT_SECONDS = 300
PORT, POSTGRES, S3 = "8642", "postgresql://me@localhost/warehouse", "http://127.0.0.1:9000"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
LANGUAGES = {"bash", "python", "yaml", "toml", "text", "json", "sql"}
WHOLE = """
pipeline_id: part
source: {base_url: "http://127.0.0.1:1"}
steps:
  - step: items
    processor: generic.api_extractor
    config:
      url: /items
      pagination: {type: none}
      tables: [{table: items, key: [id], columns: {id: id, name: name, country: country, updated_at: updated_at}}]
"""


def _build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_pages", ROOT / "docs/_build/pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["docs_pages"] = module
    spec.loader.exec_module(module)
    return module


BUILD = _build()


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def completed(fragment: Any, where: str) -> dict[str, Any]:
    """A whole pipeline that has ``fragment`` as the part of it that the page says."""
    whole: dict[str, Any] = yaml.safe_load(WHOLE)
    config = whole["steps"][0]["config"]
    if where == "file":
        return {**whole, **fragment}
    if where == "source":
        whole["source"] |= fragment
    elif where == "config":
        config |= fragment
        if "destination" in fragment:
            config.pop("tables", None)
        if fragment.get("url", "/").startswith("http"):
            whole["source"].pop("base_url")
    elif where == "table":
        config["tables"] = [{**config["tables"][0], **fragment}]
    else:
        raise AssertionError(f"in={where}: file, source, config or table")
    return whole


class Terminal:
    """One page's folder, environment and namespace."""

    def __init__(self, folder: Path, page: Path, replaced: dict[str, str], port: str) -> None:
        self.folder, self.page, self.replaced, self.port = folder, page, replaced, port
        self.environ = {name: os.environ[name] for name in ("LANG", "TERM", "TMPDIR") if name in os.environ}
        bin_folder = Path(sys.executable).parent
        self.environ |= {
            "PATH": f"{bin_folder}:{os.environ['PATH']}", "HOME": str(folder), "PYTHONPATH": str(folder), "COLUMNS": "110",
        }  # fmt: skip
        self.namespace: dict[str, Any] = {"__name__": "__main__"}
        self.output = ""
        self.plugin = False
        self.processes: list[subprocess.Popen[bytes]] = []

    def run(self, fence: Any) -> None:
        text = fence.text
        for old, new in self.replaced.items():
            text = text.replace(old, new)
        place = f"{name_of(self.page)}:{fence.line}"
        if (name := fence.option("file")) is not None:
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text(text)
        if fence.language == "bash" and fence.info == "background":
            self.start(text.strip().replace("headrace sandbox", f"headrace sandbox --port {self.port}"))
        elif fence.language == "bash":
            self.bash(text, int(fence.option("exit") or 0), place)
        elif fence.language == "python":
            code = compile(text, place, "exec")
            if name is None:
                self.python(code)
        elif fence.language == "yaml" and (style := fence.option("crawl")) is not None:
            self.crawl(text, style, int(fence.option("rows") or 1_000), place, failing="failing" in fence.info)
        elif fence.language == "yaml" and self.plugin:  # this process has not the plug-in, and is to stay so
            self.bash(f"headrace check {name}", 0, place)
        elif fence.language == "yaml":
            file = str(self.folder / name) if name is not None else place
            self.load(text, fence.option("in"), file, wrong=fence.info.endswith("wrong"))
        elif fence.language == "toml" and name == "pyproject.toml":
            self.install(tomllib.loads(text)["project"])
        elif fence.language == "text" and fence.info == "output":
            self.compare(text, place)

    def start(self, command: str) -> None:
        self.processes.append(subprocess.Popen(["bash", "-c", f"exec {command}"], cwd=self.folder, env=self.environ,
                                               stdout=subprocess.DEVNULL))  # fmt: skip
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/__stats").close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"{command} does not answer")

    def bash(self, text: str, code: int, place: str) -> None:
        kept = self.folder.parent / f"{self.folder.name}.environ"
        script = f"set -eo pipefail\ntrap 'env -0 > {kept}' EXIT\n{text}"
        # Files and not pipes: what a failed block has started holds a pipe open, and hides what went wrong.
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            process = subprocess.Popen(["bash", "-c", script], cwd=self.folder, env=self.environ, stdout=out, stderr=err,
                                       stdin=subprocess.DEVNULL, start_new_session=True)  # fmt: skip
            try:
                done: int | str = process.wait(LIMIT_SECONDS)
            except subprocess.TimeoutExpired:
                done = f"none after {LIMIT_SECONDS} s"
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            for said in (out, err):
                said.seek(0)
            stdout, stderr = out.read(), err.read()
        assert done == code, f"{place}: exit {done}\n{stdout}\n{stderr}"
        assert "Traceback" not in stderr, f"{place}:\n{stderr}"
        self.output = stdout
        if code:
            self.output += stderr
        pairs = (entry.partition("=") for entry in kept.read_text().split("\0") if entry)
        self.environ = {name: value for name, _, value in pairs if name not in ("_", "SHLVL", "PWD", "OLDPWD")}

    def python(self, code: Any) -> None:
        import io

        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(code, self.namespace)
        self.output = said.getvalue()

    def load(self, text: str, part: str | None, place: str, *, wrong: bool) -> None:
        from headrace.core.errors import PipelineFileError
        from headrace.pipeline.load import parse

        if wrong:
            with pytest.raises(PipelineFileError):
                parse(text, place)
            return
        whole = text if part is None else yaml.safe_dump(completed(yaml.safe_load(text), part), sort_keys=False)
        parse(whole, place)

    def crawl(self, text: str, style: str, rows: int, place: str, *, failing: bool) -> None:
        import sqlite3

        import headrace

        config = yaml.safe_load(text)
        identity = "@id" if config.get("decode", {}).get("type") == "xml" else "id"
        path = style if style.startswith("/") else f"/styles/{style}"
        whole = completed(config, "config")
        whole["source"] = {"base_url": f"http://127.0.0.1:{self.port}", "rate_limit": {"requests_per_second": 1_000}}
        table = {"table": "landed", "columns": {"id": {"path": identity, "type": "int"}}}
        whole["steps"][0]["config"] |= {"url": path, "tables": [table], "pagination": config["pagination"]}
        name = path.strip("/").replace("/", "-")
        file, database = self.folder / f"{name}.yml", self.folder / f"{name}.sqlite"
        file.write_text(yaml.safe_dump(whole, sort_keys=False))
        client = '{"client_id": "sandbox-client", "client_secret": "sandbox-secret"}'
        status, failed = "", 0
        while status != "done":
            try:
                found = headrace.run(
                    file,
                    destination=f"sqlite:///{database}",
                    run_id=name,
                    secrets={"sandbox": "some-key", "client": client},
                )
                status = found.status
                assert status == "done", f"{place}: {found}"
            except headrace.HeadraceError as error:
                failed += 1
                if not failing or failed > 9:
                    raise AssertionError(f"{place}: {error}") from error
        assert bool(failed) == failing, place
        with contextlib.closing(sqlite3.connect(database)) as landed:
            counted = landed.execute("SELECT count(*), count(DISTINCT id) FROM landed").fetchone()
        assert counted == (rows, rows), f"{place}: {counted} rows and ids, not {rows}"

    def install(self, project: dict[str, Any]) -> None:
        self.plugin = True
        info = self.folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
        )
        lines = []
        for group, entries in project["entry-points"].items():
            lines += [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n")

    def compare(self, expected: str, place: str) -> None:
        parts = []
        for line in expected.strip("\n").split("\n"):
            if line.strip() == "…":
                parts.append(r"(?:.*\n)*?")
            else:
                words = [re.escape(word) for word in re.split(r"…", line.rstrip())]
                parts.append(".*".join(words) + r"[ ]*\n")
        assert re.fullmatch("".join(parts), self.output.strip("\n") + "\n"), f"{place}: it prints\n{self.output}"

    def close(self) -> None:
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@contextmanager
def at_home(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process in the page's folder, for its Python blocks."""
    monkeypatch.chdir(terminal.folder)
    monkeypatch.setenv("HEADRACE_STATE", str(terminal.folder / ".headrace"))
    terminal.environ["HEADRACE_STATE"] = str(terminal.folder / ".headrace")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(terminal.folder / ".config"))
    try:
        yield
    finally:
        terminal.close()


@pytest.mark.docs
@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    text = page.read_text()
    port = free_port()
    replaced = {f"127.0.0.1:{PORT}": f"127.0.0.1:{port}"}
    if POSTGRES in text:
        replaced[POSTGRES] = request.getfixturevalue("postgres_url")
    if S3 in text:
        replaced[S3], replaced["s3://lake"] = (
            each.replace("lake-", "s3://lake-") for each in request.getfixturevalue("s3_bucket")
        )
    folder = tmp_path / "work"
    folder.mkdir()
    terminal = Terminal(folder, page, replaced, port)
    blocks = [fence for fence in BUILD.fences(text) if not fence.info.startswith("no-run:")]
    assert {fence.language for fence in blocks} <= LANGUAGES
    with at_home(terminal, monkeypatch):
        if f"127.0.0.1:{PORT}" in text and not any(fence.info == "background" for fence in blocks):
            terminal.start("headrace sandbox --port " + port)
        for fence in blocks:
            if fence.language == "python" and fence.option("file") is None:
                for name in ("SAPI_API_KEY", "SAPI_BASE_URL", "DATABASE_URL"):
                    if name in terminal.environ:
                        monkeypatch.setenv(name, terminal.environ[name])
            terminal.run(fence)


def test_what_is_not_run_says_why_and_is_little() -> None:
    skipped = [
        f"{name_of(page)}:{fence.line}: {fence.info}"
        for page in PAGES
        for fence in BUILD.fences(page.read_text())
        if fence.info.startswith("no-run")
    ]
    assert all(re.search(r"no-run: \w+ \w+", line) for line in skipped), skipped
    assert len(skipped) <= LIMIT_NO_RUN, "\n".join(skipped)


def test_every_style_has_its_recipe() -> None:
    from headrace.sandbox.styles import all_styles

    fences = BUILD.fences((ROOT / "docs/recipes.md").read_text())
    assert set(all_styles()) <= {fence.option("crawl") for fence in fences}


def test_the_examples_are_the_built_in_pipelines() -> None:
    from headrace import pipelines

    fences = BUILD.fences((ROOT / "docs/examples.md").read_text())
    shown = {file.removesuffix(".yml"): fence.text for fence in fences if (file := fence.option("file"))}
    with_a_page = {name for name in pipelines.names() if (ROOT / f"docs/{name}.md").exists()}
    assert with_a_page == {"sapi", "tvmaze"}
    assert set(shown) == set(pipelines.names()) - with_a_page
    assert {name: pipelines.read(name).decode() for name in shown} == shown


def test_a_page_starts_each_server_with_a_log_of_its_own() -> None:
    """In a log that an earlier block has left, the next one may read the address of a server that is gone."""
    for page in PAGES:
        logs = re.findall(r"> (\S+)(?: 2>&1)? &$", page.read_text(), re.MULTILINE)
        assert len(logs) == len(set(logs)), f"{name_of(page)}: {logs}"


def test_every_fence_is_seen() -> None:
    """A fence that the parser misses would pass unread."""
    for page in PAGES:
        text = page.read_text()
        assert len(re.findall(r"^\s*```", text, re.MULTILINE)) == 2 * len(list(BUILD.fences(text))), name_of(page)


def test_a_block_that_is_wrong_is_found(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, ROOT / "README.md", {}, free_port())
    for language, info, text in (
        ("bash", "", "headrace check nothing.yml"),
        ("python", "", "1 / 0"),
        ("yaml", "in=config", "pagination: {type: courser}"),
        ("yaml", "in=config", "data_pth: items"),
        ("yaml", "crawl=cursor-more", "pagination: {type: none}\ndata_path: items"),
        ("text", "output", "something else"),
    ):
        with pytest.raises(Exception, match=r".") as error:  # what it raises is each block's own
            terminal.run(BUILD.Fence(1, language, info, text + "\n"))
        assert not isinstance(error.value, KeyError | TypeError), error.value
