"""What the service answers is what its OpenAPI document says."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

KNOWN = """
import itertools, os
import schemathesis

ids = itertools.cycle(os.environ["KNOWN_RUNS"].split())

@schemathesis.hook
def map_path_parameters(context, path_parameters):
    # Every other case is about a run that there is.
    if path_parameters and "request_id" in path_parameters:
        known = next(ids)
        if known != "-":
            return {**path_parameters, "request_id": known}
    return path_parameters
"""
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def test_every_address_says_what_its_errors_are(running: Any) -> None:
    document = running.client.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    assert schemas["Problem"]["required"] == ["title", "status"]
    for address, methods in document["paths"].items():
        for method, operation in methods.items():
            place = f"{method} {address}"
            answers = operation["responses"]
            assert {"500", "503"} <= answers.keys(), place
            assert "{" not in address or "404" in answers, place
            assert not operation.get("parameters") or "422" in answers, place
            assert "requestBody" not in operation or {"400", "422"} <= answers.keys(), place
            for status, answer in answers.items():
                if int(status) >= 400:
                    assert list(answer["content"]) == ["application/problem+json"], f"{place} {status}"
    text = running.client.get("/openapi.json").text
    named = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert named <= schemas.keys()


@pytest.fixture
def unlocked(config: Any, serving: Any) -> Iterator[Any]:
    """A service that no made-up key closes, and that no made-up pipeline leaves."""
    free = {"require_keys": False, "requests_per_second": 1e6, "public_hosts": False}
    with serving(config.model_copy(update=free)) as running:
        yield running


@pytest.mark.service
def test_it_gives_no_answer_that_its_document_has_not(unlocked: Any, api: Any, tmp_path: Path) -> None:
    running = unlocked
    done = running.update()
    running.wait(done)
    running.client.post(f"/runs/{done}/cancel")
    paused = running.update(max_pages=1, destination="lite")
    running.wait(paused)
    hooks = tmp_path / "known_runs.py"
    hooks.write_text(KNOWN)
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "run", f"{running.url}/openapi.json", "--checks", CHECKS,
        "--max-examples", "200", "--phases", "examples,coverage,fuzzing", "--generation-database", "none",
        "--request-timeout", "30", "--workers", "1", "--no-color",
    ]  # fmt: skip
    environ = {**os.environ, "SCHEMATHESIS_HOOKS": str(hooks), "KNOWN_RUNS": f"{done} - {paused} -"}
    found = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout[-6000:] + found.stderr[-2000:]
