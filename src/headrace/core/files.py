"""What a path names at the moment."""

from __future__ import annotations

from pathlib import Path


def identity(path: Path | str) -> tuple[int, int] | None:
    """Device and inode: which file it is, whatever its name; ``None`` when there is none, or none may be seen."""
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
