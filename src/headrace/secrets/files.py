"""Secrets files: TOML, or lines of ``NAME=value`` as in ``.env``."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from headrace.core.errors import InputError


def read_secrets(path: Path, warn: Callable[[str], None] | None = None) -> dict[str, Any]:
    """The names and values of a secrets file; a TOML table is a credential with members.

    ``warn`` hears of a file that others may read. Raises InputError that names file and line, never a value.
    """
    text = read_text(path, "secrets file", warn)
    if path.suffix != ".toml":
        return _lines(text, path)
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"not TOML: {error}", hint="a line is NAME = 'value'", place=str(path)) from None


def read_text(path: Path, what: str, warn: Callable[[str], None] | None) -> str:
    """The text of a file that holds secrets. Raises InputError when it cannot be read."""
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot read the {what}: {error.strerror}", place=str(path)) from None
    except UnicodeDecodeError:
        raise InputError(f"the {what} is not UTF-8 text", place=str(path)) from None
    # A pipe (`<(pass show x)`) or a mounted secret device has no owner to protect.
    if warn is not None and stat.S_ISREG(mode) and mode & 0o077:
        warn(f"{path}: others may read this {what}; write: chmod 600 {path}")
    return text


def _lines(text: str, path: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip().removeprefix("export ").strip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        name, value = name.strip(), value.strip()
        if not equals or not name:
            raise InputError("expected NAME=value", hint="a comment starts with #", place=f"{path}:{number}")
        if value[:1] in ("'", '"'):
            quote, rest = value[0], value[1:]
            value, closed, after = rest.partition(quote)
            if not closed or (after.strip() and not after.lstrip().startswith("#")):
                raise InputError("a quoted value ends with its quote", place=f"{path}:{number}")
        else:
            value = value.partition(" #")[0].rstrip()
        found[name] = value
    return found
