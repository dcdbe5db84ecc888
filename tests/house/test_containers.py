"""The container files: right as files. No engine is needed, and none builds or runs them here."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


def run(*words: str) -> str:
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def instructions(stage: str) -> list[tuple[str, str]]:
    """The instructions of a stage of the Dockerfile, as (name, rest)."""
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text())
    stages = re.split(r"(?m)^(?=FROM )", text)
    (found,) = [each for each in stages if re.match(rf"FROM \S+ AS {stage}\n", each)]
    lines = [line for line in found.splitlines() if line and not line.startswith("#")]
    return [(name, rest) for name, _, rest in (line.strip().partition(" ") for line in lines)]


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yml").read_text())
    return found


def test_the_dockerfile_has_no_fault() -> None:
    assert run(str(BIN / "hadolint"), "--format", "json", "Dockerfile").strip() == "[]"


def test_the_compose_file_is_one() -> None:
    run(str(BIN / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec", "compose.yml")


def test_compose_reads_it() -> None:
    """With Compose itself, where there is one: it needs no engine for this."""
    command = shutil.which("docker-compose") or shutil.which("docker-compose", path=str(BIN))
    if command is None:
        pytest.skip("there is no docker-compose")
    whole = json.loads(run(command, "-f", "compose.yml", "--profile", "test", "config", "--format", "json"))
    assert set(whole["services"]) == {"service", "redis", "postgres", "test"}
    assert "test" not in json.loads(run(command, "-f", "compose.yml", "config", "--format", "json"))["services"]


def test_it_is_published_to_this_machine_only_and_holds_no_right_it_does_not_need() -> None:
    services = compose()["services"]
    assert services["service"]["ports"] == ["127.0.0.1:8000:8000"]
    assert not any("ports" in service for name, service in services.items() if name != "service")
    assert services["service"]["cap_drop"] == ["ALL"]
    assert services["service"]["read_only"] is True
    assert services["test"]["profiles"] == ["test"]


def test_the_image_runs_as_a_user_and_is_watched() -> None:
    found = instructions("service")
    (user,) = [rest for name, rest in found if name == "USER"]
    assert int(user) > 0
    assert not any(name == "ADD" for name, _ in found)
    (check,) = [rest for name, rest in found if name == "HEALTHCHECK"]
    assert "/healthz" in check
    health = json.loads(check[check.index("CMD ") + 4 :])
    compile(health[-1], "healthcheck", "exec")
    (command,) = [json.loads(rest) for name, rest in found if name == "CMD"]
    for words in (command, compose()["services"]["service"]["command"]):
        assert words[:2] == ["headrace", "serve"]
        options = {word for word in words if word.startswith("--")}
        assert options <= set(re.findall(r"--[\w-]+", run(sys.executable, "-m", "headrace", "serve", "--help")))


def test_the_destinations_of_the_compose_file_are_some() -> None:
    from headrace.destinations import from_url

    words = compose()["services"]["service"]["command"]
    pairs = [words[n + 1] for n, word in enumerate(words) if word == "--destination"]
    assert [from_url(pair.partition("=")[2]).url for pair in pairs]
    assert not any("@" in pair and re.search(r":[^/@]+@", pair) for pair in pairs), "no password among the arguments"


def test_the_image_has_what_was_tested() -> None:
    def pins(name: str) -> set[str]:
        return set(re.findall(r"(?m)^(\S+==\S+)", (ROOT / name).read_text()))

    served = pins("requirements-service.lock")
    assert served <= pins("requirements.lock")
    names = {pin.partition("==")[0] for pin in served}
    assert {"fastapi", "uvicorn", "redis", "psycopg", "cronsim", "duckdb"} <= names
    assert not {"pytest", "mypy", "playwright", "moto"} & names
