"""A step of another distribution: found by its entry point, validated, templated, listed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

STEP = '''
from typing import ClassVar
from headrace.steps.base import Step

class Notify(Step):
    """Tell someone."""
    processor: ClassVar[str] = "acme.notify"
    templated: ClassVar[tuple[str, ...]] = ("text",)
    channel: str
    """Where."""
    text: str = ""
'''

PROGRAM = """
import sys
from headrace.core.errors import PipelineFileError
from headrace.pipeline.load import parse
from headrace.pipeline.reference import markdown
from headrace.pipeline.schema import json_schema

head = "pipeline_id: p\\nsource: {timeout: 5}\\nsteps:\\n  - step: tell\\n    processor: acme.notify\\n    config: "
draft = parse(head + "{channel: ops, text: 'hello {name}'}", "f")
print(list(draft.inputs), draft.pipeline.steps[0].config)
print(draft.warnings)
print(len(draft.bind(params={"name": "x"}, environ={}).mapping_hash))
try:
    parse(head + "{chanel: ops}", "f")
except PipelineFileError as error:
    print(error.problems)
print("## processor: acme.notify" in markdown(), "NotifyEntry" in json_schema()["$defs"])
"""


def test_a_step_by_entry_point(tmp_path: Path) -> None:
    (tmp_path / "acme_steps.py").write_text(STEP)
    info = tmp_path / "acme_steps-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-steps\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[headrace.steps]\nnotify = acme_steps:Notify\n")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "['name'] channel='ops' text='hello {name}'",
        "('f:2:1: warning: source: no step of this file uses it',)",
        "32",
        "['f:6:5: steps.tell.channel: missing', \"f:6:14: steps.tell.chanel: unknown key, did you mean 'channel'?\"]",
        "True True",
    ]
