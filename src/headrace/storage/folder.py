"""A local folder as a store: files are written aside, flushed, and then take their names in one step."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from uuid import uuid4

from headrace.core.errors import StorageFailed
from headrace.storage.contract import Entry

ASIDE = ".writing"
"""Where files are before they have their names. No listing shows it."""


class Folder:
    """A :class:`~headrace.storage.contract.Store` in a folder, which is made with its first object."""

    parallel = 1

    def __init__(self, root: Path) -> None:
        self._root = root
        self.place = str(root)
        self._made: set[Path] = set()
        """Folders whose names are on the disk."""

    def create(self, name: str, data: bytes) -> bool:
        try:
            target = self._root / name
            self._make(target.parent)
            aside = self._write_aside(data)
            try:
                os.link(aside, target)
            except FileExistsError:
                return False
            finally:
                aside.unlink()
            _flush(target.parent)
        except OSError as error:
            raise self._failed("written", name, error) from error
        return True

    def put(self, name: str, data: bytes) -> None:
        try:
            aside = self._write_aside(data)
            target = self._root / name
            self._make(target.parent)
            aside.replace(target)
            _flush(target.parent)
        except OSError as error:
            raise self._failed("written", name, error) from error

    def get(self, name: str) -> bytes | None:
        try:
            return (self._root / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            raise self._failed("read", name, error) from error

    def scan(self, folder: str, *, after: str = "") -> Iterator[Entry]:
        try:
            for entry in self._below(folder):
                if entry.name > after:
                    yield entry
        except OSError as error:
            raise self._failed("listed", folder, error) from error

    def _below(self, folder: str) -> Iterator[Entry]:
        """In order of whole names, as a bucket lists them: a folder sorts as if its name ended in ``/``."""
        try:
            with os.scandir(self._root / folder) as found:
                entries = sorted(found, key=lambda each: each.name + "/" * each.is_dir(follow_symlinks=False))
        except (FileNotFoundError, NotADirectoryError):
            return
        for each in entries:
            if each.name == ASIDE:
                continue
            name = f"{folder}/{each.name}" if folder else each.name
            if each.is_dir(follow_symlinks=False):
                yield from self._below(name)
                continue
            try:
                state = each.stat()
            except FileNotFoundError:  # deleted since
                continue
            yield Entry(name, state.st_size, state.st_mtime_ns // 1000)

    def folders(self, folder: str) -> list[str]:
        try:
            with os.scandir(self._root / folder) as found:
                return sorted(each.name for each in found if each.is_dir() and each.name != ASIDE)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise self._failed("listed", folder, error) from error

    def delete(self, names: Iterable[str]) -> None:
        for name in names:
            try:
                (self._root / name).unlink(missing_ok=True)
            except OSError as error:
                raise self._failed("deleted", name, error) from error

    def sweep(self, before: int) -> int:
        """Remove what killed writers left aside before the moment ``before`` (microseconds); returns how many."""
        gone = 0
        for left in (self._root / ASIDE).glob("*"):
            try:
                if left.stat().st_mtime_ns // 1000 < before:
                    left.unlink()
                    gone += 1
            except FileNotFoundError:  # its writer was only slow
                continue
        return gone

    def close(self) -> None:
        """Nothing is held open."""

    def _write_aside(self, data: bytes) -> Path:
        aside = self._root / ASIDE / uuid4().hex
        self._make(aside.parent)
        with aside.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        return aside

    def _make(self, folder: Path) -> None:
        """Make a folder and those above it below the root, their names on the disk. One that is there may have been
        made a moment ago, by a process that has not flushed it yet."""
        if folder in self._made:
            return
        if folder == self._root:
            folder.mkdir(parents=True, exist_ok=True)
        else:
            self._make(folder.parent)
            folder.mkdir(exist_ok=True)
        _flush(folder.parent)
        self._made.add(folder)

    def _failed(self, what: str, name: str, error: OSError) -> StorageFailed:
        hint = ""
        if error.errno in (errno.ENOTSUP, errno.EPERM) and what == "written":
            hint = "the folder must lie on a file system that knows hard links: they take a name only once"
        return StorageFailed(f"{name or 'the folder'} cannot be {what}: {error.strerror}", place=self.place, hint=hint)


def _flush(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
