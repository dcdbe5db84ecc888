"""The hunt through the command line: what commands print, and what they leave behind."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from headrace.core.errors import HeadraceError
from headrace.testing.secrets.api import HostileApi
from headrace.testing.secrets.hunt import PROVIDER, Case, Found, kept, overhear, pipeline
from headrace.testing.secrets.marks import Secrets
from headrace.testing.secrets.scenarios import Scenario
from headrace.testing.secrets.sweep import sweep_database, sweep_folder

COMMANDS: tuple[tuple[str, ...], ...] = (
    ("check", "{file}"),
    ("plan", "{file}"),
    ("plan", "{file}", "--json"),
    ("run", "{file}", "--run-id", "hunted", "--json", "--log-format", "json", "-vv"),
    ("resume", "hunted", "-vv"),
    ("raw", "hunted", "--page", "1"),
    ("why", "items", "10"),
    ("why", "items", "10", "--json"),
    ("query", "SELECT * FROM items"),
    ("query", "SELECT * FROM headrace_runs", "--format", "json"),
    ("runs",),
    ("runs", "--json"),
    ("status", "hunted"),
    ("status", "hunted", "--json"),
    ("run", "{file}", "--progress", "plain"),
    ("preview", "{file}"),
    ("preview", "{file}", "--json"),
    ("replay", "hunted"),
)
"""Each with ``{file}`` for the pipeline file."""


def hunt_commands(case: Case, scenario: Scenario, folder: Path, commands: Sequence[Sequence[str]] = COMMANDS) -> Found:
    """Run ``commands`` one after the other in this process, with the credential in the environment, and search all
    that they print, the destination and every file that they left. ``status`` is their exit codes."""
    secrets = Secrets()
    secret = case.credential(secrets) if case.credential is not None else None
    files, home = folder / "files", folder / "home"
    files.mkdir(parents=True)
    home.mkdir()
    url = f"sqlite:///{home}/hunted.sqlite"
    codes: list[int] = []
    with HostileApi(secrets, scenario).serving() as api:
        document = pipeline(case, scenario, secrets, api.url)
        document["steps"][-1]["config"]["rate_limit"]["max_retries"] = 0  # a command sleeps in earnest
        path = files / "hunted.yml"
        path.write_text(json.dumps(document), encoding="utf-8")
        environ = {
            "HEADRACE_STATE": str(home / "state"),
            "HEADRACE_DESTINATION": url,
            "HEADRACE_DEBUG": "1",
            "HEADRACE_PROMETHEUS_FILE": str(home / "hunted.prom"),
            "HEADRACE_OPENLINEAGE": str(home / "lineage.jsonl"),
        }
        if kept(case, secret, home / "state"):
            environ[f"{PROVIDER}_API_KEY"] = secret if isinstance(secret, str) else json.dumps(secret)
        with _environment(environ), overhear() as heard:
            codes += [_call([str(path) if part == "{file}" else part for part in command]) for command in commands]
        asked = list(api.asked)
    shown: str = heard.text()
    secrets.search("shown", shown)
    try:
        values = sweep_database(secrets, url)
    except HeadraceError:
        values = 0
    sweep_folder(secrets, home, tokens=case.stored)
    return Found(secrets.leaks, " ".join(map(str, codes)), None, asked, secrets, home, url, values, shown)


def _call(arguments: list[str]) -> int:
    from headrace.cli._failure import guarded
    from headrace.cli.main import cli

    facts: dict[str, Any] = {}
    return guarded(
        lambda: cli.main(arguments, prog_name="headrace", standalone_mode=False, obj=facts), arguments, facts
    )


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
