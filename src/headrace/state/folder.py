"""Where state is kept, and that nobody else reads it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

NAME = ".headrace"


def state_folder(
    pipeline_file: Path | None = None, *, environ: Mapping[str, str] | None = None, current: Path | None = None
) -> Path:
    """``HEADRACE_STATE``; else ``.headrace`` in the current directory when there is one, or when
    ``pipeline_file`` lies in or below it; else the user's (``XDG_STATE_HOME``, ``~/.local/state``)."""
    environ = os.environ if environ is None else environ
    current = (current or Path.cwd()).resolve()
    if environ.get("HEADRACE_STATE"):
        return (current / Path(environ["HEADRACE_STATE"]).expanduser()).resolve()
    here = current / NAME
    if here.is_dir() or (pipeline_file is not None and (current / pipeline_file).resolve().is_relative_to(current)):
        return here
    home = environ.get("XDG_STATE_HOME", "")
    # The XDG specification: a relative path is invalid and to be ignored.
    return (Path(home) if home.startswith("/") else Path("~/.local/state").expanduser()) / "headrace"


def make_private(folder: Path) -> None:
    """Create ``folder`` for its owner only; one that was there keeps its mode.

    A new one is ignored by git: tokens lie in it, and it may stand in a checkout.
    """
    if folder.is_dir():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        (folder / ".gitignore").write_text("*\n", encoding="utf-8")
