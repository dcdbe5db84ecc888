"""``file:PATH``: the whole of a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from headrace.core.errors import SecretMissing
from headrace.secrets.files import read_text


def read(name: str, environ: Mapping[str, str], warn: Callable[[str], None] | None) -> str:
    text = read_text(Path(name).expanduser(), "file of a secret", warn).strip()
    if not text:
        raise SecretMissing("the file of a secret is empty", place=name)
    return text
