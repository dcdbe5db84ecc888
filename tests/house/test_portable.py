"""What POSIX alone has is loaded where it is used, so that modules can be imported on Windows as well."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[2] / "src" / "headrace"
POSIX_ONLY = {"crypt", "curses", "fcntl", "grp", "nis", "posix", "pty", "pwd", "readline", "resource", "spwd", "syslog", "termios", "tty"}  # fmt: skip
FILES = sorted(SOURCES.rglob("*.py"))


def at_import(tree: ast.Module) -> list[tuple[int, str]]:
    """What a module imports while it is itself imported: not in functions, nor behind a test of the platform or of types."""
    found: list[tuple[int, str]] = []

    def visit(nodes: list[ast.stmt]) -> None:
        for node in nodes:
            if isinstance(node, ast.Import):
                found.extend((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                found.append((node.lineno, node.module or ""))
            elif isinstance(node, ast.If):
                if not any(word in ast.unparse(node.test) for word in ("TYPE_CHECKING", "sys.platform", "os.name")):
                    visit(node.body)
                visit(node.orelse)
            elif isinstance(node, ast.With | ast.ClassDef | ast.Try):
                guarded = isinstance(node, ast.Try) and any(
                    "ImportError" in ast.unparse(h.type or ast.Name("")) for h in node.handlers
                )
                if not guarded:
                    visit(node.body)

    visit(tree.body)
    return found


def test_no_module_imports_what_windows_lacks() -> None:
    wrong = [
        f"{file.relative_to(SOURCES)}:{line}: {name}"
        for file in FILES
        for line, name in at_import(ast.parse(file.read_text(encoding="utf-8")))
        if name.partition(".")[0] in POSIX_ONLY
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import fcntl", ["fcntl"]),
        ("from pwd import getpwnam", ["pwd"]),
        ("class A:\n    import tty", ["tty"]),
        ("def f():\n    import fcntl", []),
        ("try:\n    import resource\nexcept ImportError:\n    resource = None", []),
        ("import os\nif os.name == 'posix':\n    import fcntl", ["os"]),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import fcntl", ["typing"]),
    ],
)
def test_what_counts(text: str, expected: list[str]) -> None:
    assert [name for _, name in at_import(ast.parse(text))] == expected
