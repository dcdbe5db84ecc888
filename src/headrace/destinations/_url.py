"""Destination URLs of files."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

from headrace.core.errors import UsageError

MEMORY = ":memory:"


def file_of(url: str, example: str = "file.db") -> str:
    """The path in ``scheme:///relative`` or ``scheme:////absolute``, or ``:memory:``."""
    scheme, _, rest = url.partition("://")
    if not rest.startswith("/") or rest == "/":
        raise UsageError(
            f"{scheme}://: no file named", hint=f"write {scheme}:///{example}, or {scheme}:////absolute/{example}"
        )
    return unquote(rest[1:])


def url_of(scheme: str, path: str) -> str:
    return f"{scheme}:///{path}"


def same_file(path: str) -> str:
    """One name for a file, however it was written."""
    return path if path == MEMORY else str(Path(path).resolve())
