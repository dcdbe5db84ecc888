"""``file:PATH``: a key file that only its owner reads, made at first use."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from headrace.core.errors import KeyUnavailable
from headrace.secrets.keys._local import SIZE, LocalKey, decoded

_ABOUT = "# The key that seals Headrace's stored credentials. Without it they are lost: keep a copy elsewhere.\n"


def make(rest: str, environ: Mapping[str, str], create: bool) -> FileKey:
    return FileKey(Path(rest).expanduser() if rest else default_path(environ), create=create)


def default_path(environ: Mapping[str, str]) -> Path:
    """``credentials.key`` in the user's configuration folder: not beside the state, so that a copy of one is no
    copy of both."""
    home = environ.get("XDG_CONFIG_HOME", "")
    # The XDG specification: a relative path is invalid and to be ignored.
    base = Path(home) if home.startswith("/") else Path(environ.get("HOME") or "~").expanduser() / ".config"
    return base / "headrace" / "credentials.key"


class FileKey:
    """The key in a file of mode 0600. ``create``: :meth:`wrap` makes the file when it is missing."""

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self._path, self._create = path, create
        self._key: LocalKey | None = None

    @property
    def id(self) -> str:
        return self._loaded(create=self._create).id

    def wrap(self, key: bytes, context: Mapping[str, str]) -> bytes:
        return self._loaded(create=self._create).wrap(key, context)

    def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        return self._loaded(create=False).unwrap(wrapped, context)

    def _loaded(self, *, create: bool) -> LocalKey:
        if self._key is None:
            if create and not self._path.exists():
                _write_new(self._path)
            self._key = LocalKey(self._read())
        return self._key

    def _read(self) -> bytes:
        try:
            with self._path.open(encoding="ascii") as file:
                mode = os.fstat(file.fileno()).st_mode
                text = file.read(4096)
        except FileNotFoundError:
            raise KeyUnavailable(
                "the key file is missing",
                hint="restore it from your copy, or say where it is: HEADRACE_KEY_SERVICE=file:PATH; if it is lost, so are "
                "the credentials that it sealed: remove them, and store them again",
                place=str(self._path),
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text"
            raise KeyUnavailable(f"cannot read the key file: {why}", place=str(self._path)) from None
        if mode & 0o077:
            raise KeyUnavailable(
                f"others may read the key file (mode {mode & 0o777:04o})",
                hint=f"write: chmod 600 {self._path}; if somebody may have read it, rotate the credentials that it seals",
                place=str(self._path),
            )
        lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
        key = decoded(lines[0]) if len(lines) == 1 else None
        if key is None:
            raise KeyUnavailable(
                "this is no key file", hint="it holds one line: 32 bytes in base64; restore it", place=str(self._path)
            )
        return key


def _write_new(path: Path) -> None:
    """A new key, whole and on the disk before it has its name; of two processes at once the first one's stays."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.urandom(6).hex()}")
    try:
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(_ABOUT.encode() + base64.b64encode(os.urandom(SIZE)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise KeyUnavailable(f"cannot make the key file: {error.strerror}", place=str(path)) from None
    finally:
        draft.unlink(missing_ok=True)
