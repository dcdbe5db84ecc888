"""Every kind of mistake, with the exact lines that it gets. The files in ``bad`` begin with them (``#! ``)."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.core.errors import PipelineFileError
from headrace.pipeline.load import load, parse
from headrace.steps.base import processors

BAD = sorted((Path(__file__).parent / "bad").glob("*.yml"))


@pytest.mark.parametrize("file", BAD, ids=[file.stem for file in BAD])
def test_bad_file(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    menu = ", ".join(processors())
    expected = [line[3:].replace("<processors>", menu) for line in text.splitlines() if line.startswith("#! ")]
    assert expected, "a bad file says which lines it gets"
    with pytest.raises(PipelineFileError) as error:
        load(file, environ={})
    assert [problem.removeprefix(f"{file}:") for problem in error.value.problems] == expected
    assert error.value.exit_code == 2


def test_there_are_many() -> None:
    assert len(BAD) >= 170


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "f:1:1: the file is empty"),
        ("# nothing but a comment\n", "f:1:1: the file is empty"),
        ("---\n", "f:1:1: the file is empty"),
        (b"a: 1\nb: \xff\xfe", "f:2:4: not UTF-8 (byte 0xff): save it as UTF-8"),
        ("a: é\n".encode("latin-1"), "f:1:4: not UTF-8 (byte 0xe9): save it as UTF-8"),
        ("a: 1".encode("utf-16"), "f:1:1: this is UTF-16: save it as UTF-8"),
        ("a: 1".encode("utf-32"), "f:1:1: this is UTF-32: save it as UTF-8"),
        ("a: \0", 'f:1:4: the character U+0000 may not stand in YAML: write it as an escape in a "quoted text"'),
        ("a: \ud800", 'f:1:4: the character U+D800 may not stand in YAML: write it as an escape in a "quoted text"'),
        ("[" * 1_000_000, "f:1:101: nested deeper than 100 levels"),
        ("- " * 300_000, "f:1:201: nested deeper than 100 levels"),
        ("{a: " * 10_000, "f:1:401: nested deeper than 100 levels"),
        ("a: " + "x" * 10_000_000, "f:1:1: larger than 1 MB: this is not a pipeline file"),
        ("a: &a [x]\nb: &b [*a, *a]\n", "f:1:4: an anchor (&a): anchors are not read; quote a text that begins with &"),
        ("5", "f:1:1: expected a mapping with steps, or a list of steps, not a single value"),
    ],
    ids=lambda value: str(value[:12]),
)
def test_text_that_is_no_pipeline_at_all(text: str | bytes, expected: str) -> None:
    with pytest.raises(PipelineFileError) as error:
        parse(text, "f")
    assert error.value.problems == [expected]


def test_a_very_wrong_file_is_cut_short() -> None:
    steps = "".join(f"  - step: s{i}\n    x{i}: 1\n" for i in range(500))
    with pytest.raises(PipelineFileError) as error:
        parse("steps:\n" + steps, "f")
    assert len(error.value.problems) == 101
    assert error.value.problems[-1].startswith("f: and ")


def test_a_key_that_never_stops_coming_back_costs_no_more_than_its_text() -> None:
    with pytest.raises(PipelineFileError) as error:
        parse("".join(f"a: {{k{i}: 1}}\n" for i in range(50_000)), "f")
    assert error.value.problems[0] == "f:3:1: a stands here a third time; the first is at 1:1"
    assert error.value.problems[-1] == "f: and 49898 more problems"
