"""The same, switched on by the environment of a command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from headrace.sandbox import Options, run_in_thread

HOST = "streaming-availability.p.rapidapi.com"


def test_a_run_with_everything_on(tmp_path: Path) -> None:
    environ = {
        "PATH": os.environ["PATH"],
        "HEADRACE_STATE": str(tmp_path / "state"),
        "SAPI_API_KEY": "key-of-this-test",
        "HEADRACE_OTEL": "1",
        "OTEL_TRACES_EXPORTER": "console",
        "OTEL_METRICS_EXPORTER": "console",
        "HEADRACE_PROMETHEUS_FILE": "headrace.prom",
        "HEADRACE_OPENLINEAGE": "lineage.jsonl",
    }
    with run_in_thread(Options(titles=30)) as sandbox:
        done = subprocess.run(
            [sys.executable, "-m", "headrace", "run", "sapi", "--rewrite", f"{HOST}={sandbox.url}"],
            cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert 'headrace_runs_total{pipeline="sapi",status="done"} 1' in (tmp_path / "headrace.prom").read_text()
    kinds = [json.loads(line)["eventType"] for line in (tmp_path / "lineage.jsonl").read_text().splitlines()]
    assert kinds == ["START", "COMPLETE"]
    assert '"name": "headrace run"' in done.stdout
    assert '"name": "headrace.rows"' in done.stdout
    said = (
        done.stdout + done.stderr + (tmp_path / "headrace.prom").read_text() + (tmp_path / "lineage.jsonl").read_text()
    )
    assert "key-of-this-test" not in said
