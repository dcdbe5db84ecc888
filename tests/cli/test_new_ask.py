"""``headrace new`` without ``--from``: questions with defaults, answered by lines of stdin or at a terminal."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace.sandbox.thread import Sandbox

KEY = "sk_test_4eC39HqLyjWDarjtT1zdp7dc"


@pytest.fixture
def answered(invoke: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """``headrace new mine.yml --ask`` with these answers."""

    def call(*answers: str) -> Any:
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{answer}\n" for answer in answers)))
        return invoke("new", "mine.yml", "--ask")

    return call


def test_defaults_are_what_the_api_was_found_to_do(
    answered: Callable[..., Any], invoke: Callable[..., Any], sandbox: Sandbox, home: Path
) -> None:
    said = answered(f"{sandbox.url}/styles/cursor-more?records=150")
    assert said.code == 0, said.err
    assert "NEXT  goes on" in said.out
    assert "Paging (none, cursor, page, offset, link): cursor" in said.err
    assert invoke("check", "mine.yml").code == 0
    said = invoke("run", "mine.yml", "--destination", "sqlite:///mine.sqlite", "--json")
    assert said.json["rows"] == {"cursor_more": 150}


def test_a_key_is_used_and_neither_shown_nor_written(
    answered: Callable[..., Any], sandbox: Sandbox, home: Path
) -> None:
    said = answered(
        f"{sandbox.url}/styles/graphql-get?first=5", "query", "token", "acme", KEY, "yes", "recordList.edges.*.node", "", "none",
    )  # fmt: skip
    assert said.code == 0, said.err
    text = (home / "mine.yml").read_text()
    assert KEY not in text + said.out + said.err
    assert "auth: {type: query, param_name: token, provider: ACME}" in text
    assert "ACME_API_KEY" in text
    assert "key: [" not in text


def test_without_leave_nothing_is_asked(
    answered: Callable[..., Any], invoke: Callable[..., Any], sandbox: Sandbox, home: Path
) -> None:
    before = sandbox.stats()["requests"]
    said = answered(f"{sandbox.url}/styles/cursor-more", "none", "no", "items", "cursor", "cursor", "next", "id")
    assert said.code == 0, said.err
    assert sandbox.stats()["requests"] == before
    assert "headrace preview mine.yml" in said.out
    text = (home / "mine.yml").read_text()
    assert "pagination: {type: cursor, param: cursor, response_path: next}" in text
    assert invoke("check", "mine.yml").code == 0
    assert invoke("preview", "mine.yml").code == 0


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([], "no address to start from"),
        (["https://a b"], "not one that can be asked"),
        (["https://a.example/x", "magic"], "'magic' is none of none, bearer"),
        (["https://a.example/x", "bearer", "1 2"], "no name for a key"),
        (["https://a.example/x", "", "maybe"], "'maybe' is none of yes, no"),
    ],
)
def test_an_answer_that_cannot_be_says_why(
    answered: Callable[..., Any], home: Path, answers: list[str], said: str
) -> None:
    found = answered(*answers)
    assert found.code == 2
    assert said in found.err
    assert "Traceback" not in found.err
    assert not (home / "mine.yml").exists()


def test_without_a_terminal_something_to_start_from_is_needed(
    invoke: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("https://a.example/x\n"))
    said = invoke("new", "mine.yml")
    assert said.code == 2
    assert "nothing to start from" in said.err
    assert "--from template" in said.err
    assert invoke("new", "mine.yml", "--ask", "--from", "template").code == 2
    assert not (home / "mine.yml").exists()


def test_a_wrong_answer_at_a_terminal_is_asked_for_again(sandbox: Sandbox, home: Path) -> None:
    ours, theirs = pty.openpty()
    program = [sys.executable, "-c", "from headrace.cli import main; main()", "new", "mine.yml"]
    with subprocess.Popen(program, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        os.close(theirs)
        os.write(ours, f"{sandbox.url}/styles/whole\nmagic\nnone\nyes\n\n\n\n\n".encode())
        out, err = process.communicate(timeout=120)
        os.close(ours)
    assert process.returncode == 0, err
    assert "'magic' is none of none" in err
    assert "ROWS" in out
    assert "pipeline_id: mine" in (home / "mine.yml").read_text()
