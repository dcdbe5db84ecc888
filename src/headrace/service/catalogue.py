"""The pipelines that a service offers, by name: never a path."""

from __future__ import annotations

import re
import threading
from pathlib import Path

from headrace import pipelines
from headrace.core.errors import InputError
from headrace.core.suggest import did_you_mean
from headrace.pipeline.load import Draft, parse
from headrace.service.config import ServiceConfig

_NAME = re.compile(r"[A-Za-z0-9_][\w.-]{0,99}", re.ASCII)


class Catalogue:
    """Built-in pipelines, and the files of the configured folder, which win over built-in ones of the same name."""

    def __init__(self, config: ServiceConfig) -> None:
        self._folder = config.pipelines
        self._lock = threading.Lock()
        self._drafts: dict[str, tuple[object, Draft]] = {}

    def names(self) -> list[str]:
        """All of them, sorted."""
        found = set(pipelines.names())
        if self._folder is not None and self._folder.is_dir():
            found |= {path.stem for path in self._folder.glob("*.yml") if _NAME.fullmatch(path.stem)}
        return sorted(found)

    def draft(self, name: str) -> Draft:
        """The pipeline called ``name``, checked. Raises InputError for a name that there is not, PipelineFileError for a
        file that is wrong. A file that has not changed is read once."""
        file = self._file(name)
        stamp: object = None
        if file is not None:
            found = file.stat()
            stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        with self._lock:
            known = self._drafts.get(name)
            if known is not None and known[0] == stamp:
                return known[1]
        text = pipelines.read(name) if file is None else file.read_bytes()
        draft = parse(text, f"{name}.yml")
        with self._lock:
            self._drafts[name] = (stamp, draft)
        return draft

    def _file(self, name: str) -> Path | None:
        """The file of ``name``; ``None`` for a built-in one."""
        if _NAME.fullmatch(name):
            file = self._folder / f"{name}.yml" if self._folder is not None else None
            if file is not None and file.is_file():
                return file
            if name in pipelines.names():
                return None
        known = self.names()
        raise InputError(f"no pipeline {name!r}{did_you_mean(name, known)}", hint=f"pipelines: {', '.join(known)}")
