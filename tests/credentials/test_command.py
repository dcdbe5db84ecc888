"""``headrace credentials``: where a value comes from, and that it is never shown."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace.cli._failure import guarded
from headrace.cli.main import cli

Said = tuple[int, str, str]
Invoke = Callable[..., Said]
VALUE = "a-value-that-nobody-sees"


@pytest.fixture
def invoke(home: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Invoke:
    def call(*arguments: str, stdin: bytes = b"") -> Said:
        capfd.readouterr()
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        given, facts = list(arguments), dict[str, Any]()
        code = guarded(lambda: cli.main(given, prog_name="headrace", standalone_mode=False, obj=facts), given, facts)
        said = capfd.readouterr()
        assert VALUE not in said.out + said.err
        return code, said.out, said.err

    return call


def test_the_value_comes_from_stdin_or_a_file(invoke: Invoke, pipeline: Any, api: Any, home: Path) -> None:
    api.valid = {VALUE}
    check = ("--host", "127.0.0.1", "--check-url", f"{api.url}/items")
    assert invoke("credentials", "set", "acme", "vendor", *check, stdin=f"\ufeff{VALUE}\n".encode())[0] == 0
    assert invoke("credentials", "test", "acme", "VENDOR")[:2] == (0, "valid\n")
    (home / "value").write_text(f"{VALUE}\n")
    code, _, err = invoke("credentials", "set", "acme", "vendor", *check, "--file", "value")
    assert (code, "others may read this file" in err) == (0, True)
    assert invoke("credentials", "test", "acme", "VENDOR")[0] == 0
    code, out, _ = invoke("credentials", "rotate", "acme", "VENDOR", "--file", "-", stdin=b"wrong-value")
    assert (code, out) == (1, "")
    assert invoke("run", str(pipeline()), "--org", "acme")[0] == 0
    assert invoke("preview", str(pipeline()), "--org", "acme")[0] == 0


def test_the_value_comes_from_a_prompt(home: Path) -> None:
    ours, theirs = pty.openpty()
    program = [sys.executable, "-m", "headrace", "credentials", "set", "acme", "VENDOR", "--any-host"]
    child = subprocess.Popen(program, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, text=True)
    os.close(theirs)
    shown = b""
    while b"VENDOR of acme:" not in shown:
        shown += os.read(ours, 1000)
    os.write(ours, f"{VALUE}\n".encode())
    out, _ = child.communicate(timeout=60)
    assert (child.returncode, "version 1" in out) == (0, True)
    while True:
        try:
            more = os.read(ours, 1000)
        except OSError:  # the other end is closed
            break
        if not more:
            break
        shown += more
    os.close(ours)
    assert VALUE.encode() not in shown


def test_a_value_as_an_argument_is_refused_and_not_repeated(invoke: Invoke) -> None:
    for name in ("set", "rotate"):
        code, out, err = invoke("credentials", name, "acme", "VENDOR", VALUE)
        assert (code, out) == (2, "")
        assert "never an argument" in err
    assert invoke("credentials", "list")[2] == "no credential is stored\n"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((), "--host"),
        (("--host", "a.example", "--any-host"), "--any-host"),
        (("--host", "https://a.example/path"), "is not a host"),
        (("--any-host", "--check-url", "https://a.example", "--check-auth", "beerer"), "no auth type 'beerer'"),
        (("--any-host", "--check-url", "https://a.example", "--check-auth", "bearer:x"), "auth.name"),
        (("--any-host", "--file", "missing"), "cannot read the file"),
    ],
)
def test_bad_use_stores_nothing(invoke: Invoke, arguments: tuple[str, ...], why: str) -> None:
    code, out, err = invoke("credentials", "set", "acme", "VENDOR", *arguments, stdin=VALUE.encode())
    assert (code, out) == (2, "")
    assert why in err
    assert "Traceback" not in err
    assert invoke("credentials", "list", "--json")[1].startswith('{"status": "ok", "credentials": []')


@pytest.mark.parametrize("value", [b"", b"  \n", b"\xff\xfe"])
def test_what_is_no_value_is_refused(invoke: Invoke, value: bytes) -> None:
    code, _, err = invoke("credentials", "set", "acme", "VENDOR", "--any-host", stdin=value)
    assert code == 2
    assert "empty" in err or "not UTF-8" in err


def test_the_list_and_its_end(invoke: Invoke) -> None:
    for org in ("acme", "globex"):
        invoke("credentials", "set", org, "vendor", "--host", "*.example.com", stdin=VALUE.encode())
    code, out, _ = invoke("credentials", "list", "acme", "--json")
    (found,) = json.loads(out)["credentials"]
    assert (code, found["org"], found["provider"], found["hosts"]) == (0, "acme", "VENDOR", ["*.example.com"])
    assert "globex" in invoke("credentials", "list")[1]
    assert invoke("credentials", "remove", "acme", "VENDOR")[0] == 2
    assert invoke("credentials", "remove", "acme", "VENDOR", "--yes", "--json")[0] == 0
    code, _, err = invoke("credentials", "remove", "acme", "VENDOR", "--yes")
    assert (code, "headrace credentials set acme VENDOR" in err) == (2, True)
    assert invoke("credentials", "test", "globex", "VENDOR")[0] == 3


def test_other_commands_take_a_file_with_a_decrypting_step(invoke: Invoke, pipeline: Any, api: Any) -> None:
    api.valid = {VALUE}
    step = {
        "step": "decrypt",
        "processor": "integrations.kms_decrypt",
        "config": {"provider": "VENDOR", "context_key": "vendor_key"},
    }
    file = str(pipeline(step, auth={"type": "bearer", "secret_key": "vendor_key"}))
    code, _, err = invoke("run", file, "--org", "acme")
    assert (code, "stored credentials of organisation 'acme': VENDOR" in err) == (2, True)
    invoke("credentials", "set", "acme", "VENDOR", "--host", "127.0.0.1", stdin=VALUE.encode())
    for command in (("check", file), ("plan", file, "--org", "acme"), ("preview", file, "--org", "acme")):
        assert invoke(*command)[0] == 0, command
    assert invoke("run", file, "--org", "acme", "--run-id", "r", "-vv")[0] == 0
    assert invoke("resume", "r", "--org", "acme")[0] == 0
