"""The pipelines that a service offers, by name: never a path."""

from __future__ import annotations

import json
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from headrace import pipelines
from headrace.core.errors import InputError, PipelineFileError
from headrace.core.suggest import did_you_mean
from headrace.core.trust import Trust
from headrace.pipeline.load import Draft, parse
from headrace.pipeline.secrets import MASK, mask
from headrace.pipeline.yaml import MAX_BYTES
from headrace.service.config import ServiceConfig
from headrace.service.problems import Refusal, not_found
from headrace.service.trust import trust_of
from headrace.state.progress.contract import Document, ProgressStore

Origin = Literal["built-in", "file", "sent"]
KIND, VERSIONS = "pipeline", "pipeline-version"
"""Documents: the latest version of each sent pipeline, and all of them."""

_NAME = re.compile(r"[A-Za-z0-9_][\w.-]{0,99}", re.ASCII)
_MOST_READ = 500


@dataclass(frozen=True, slots=True)
class Found:
    """A pipeline, checked. ``version`` counts what was sent under the name; 0 for one that was not sent."""

    draft: Draft
    origin: Origin
    trust: Trust
    version: int = 0
    text: str = field(default="", repr=False)


class Catalogue:
    """Built-in pipelines; the files of the configured folder, which win over built-in ones of the same name; and those
    that an organisation has sent, which neither other organisations see nor win over those. Methods block."""

    def __init__(self, config: ServiceConfig, store: ProgressStore) -> None:
        self._folder, self._store = config.pipelines, store
        self._own, self._sent = trust_of(config, sent=False), trust_of(config, sent=True)
        self._lock = threading.Lock()
        self._read: OrderedDict[tuple[str, str], tuple[object, Found]] = OrderedDict()

    def names(self, org: str | None = None) -> list[str]:
        """All of them, sorted; with those that ``org`` has sent."""
        found = set(pipelines.names())
        if self._folder is not None and self._folder.is_dir():
            found |= {path.stem for path in self._folder.glob("*.yml") if _NAME.fullmatch(path.stem)}
        if org is not None:
            prefix = f"{org}/"
            sent = self._store.documents(KIND, prefix=prefix)
            found |= {each.name.removeprefix(prefix) for each in sent if not _removed(each)}
        return sorted(found)

    def draft(self, name: str, org: str | None = None, version: int | None = None) -> Draft:
        """The pipeline called ``name``, checked. Raises as :meth:`find`."""
        return self.find(name, org, version).draft

    def find(self, name: str, org: str | None = None, version: int | None = None) -> Found:
        """The pipeline called ``name``, as ``org`` has it; of a sent one the latest version, unless one is asked for.
        What has not changed is read once. Raises InputError for a name that there is not, PipelineFileError for a file
        that is wrong or reaches for what is not allowed."""
        if _NAME.fullmatch(name):
            file = self._folder / f"{name}.yml" if self._folder is not None else None
            if file is not None and file.is_file():
                stat = file.stat()
                return self._checked(name, "file", (stat.st_mtime_ns, stat.st_size, stat.st_ino), file)
            if name in pipelines.names():
                return self._checked(name, "built-in", None, None)
            if org is not None and (sent := self._document(org, name, version)) is not None:
                return self._of_document(org, name, sent)
        known = self.names(org)
        raise InputError(f"no pipeline {name!r}{did_you_mean(name, known)}", hint=f"pipelines: {', '.join(known)}")

    def send(self, org: str, name: str, text: str, *, expected: int | None = None) -> Found | None:
        """Keep ``text`` as the next version of ``org``'s pipeline ``name``, checked; ``None`` when its version is not
        ``expected``. Raises PipelineFileError, Refusal for a name that is taken."""
        if not _NAME.fullmatch(name):
            raise InputError(f"{name!r} is not a name", hint="letters, digits, _, - and ., at most 100")
        if name in self.names():
            raise Refusal(409, f"{name} is a pipeline of the service itself", hint="choose another name")
        draft = self._parse(text, f"{name}.yml")
        if draft.pipeline.pipeline_id != name:
            raise InputError(f"the file is called {draft.pipeline.pipeline_id!r}, and not {name!r}",
                             hint=f"write pipeline_id: {name}")  # fmt: skip
        key = f"{org}/{name}"
        before = self._store.document(KIND, key)
        if before is not None:
            self._keep(before)
            if _removed(before) and expected == 0:
                expected = before.version
        version = self._store.put(KIND, key, {"text": text}, expected=expected)
        if version is None:
            return None
        self._store.put(VERSIONS, f"{key}/{version}", {"text": text}, expected=0)
        return Found(draft, "sent", self._sent, version, text)

    def remove(self, org: str, name: str, *, expected: int | None = None) -> bool:
        """Offer ``org``'s pipeline ``name`` no longer; runs that began with a version of it go on, and what is sent under
        its name later is the next version. False when its version is not ``expected``. Raises Refusal: 404, and 409 for
        a pipeline of the service itself."""
        if name in self.names():
            raise Refusal(409, f"{name} is a pipeline of the service itself", hint="remove its file from the folder")
        before = self._store.document(KIND, f"{org}/{name}") if _NAME.fullmatch(name) else None
        if before is None or _removed(before):
            raise not_found("pipeline", name, hint="GET /pipelines lists them")
        if expected not in (None, before.version):
            return False
        self._keep(before)
        return self._store.put(KIND, before.name, {"removed": True}, expected=before.version) is not None

    def _keep(self, document: Document) -> None:
        """The version that it is: the process that sent it may have died before it did so."""
        if not _removed(document):
            self._store.put(VERSIONS, f"{document.name}/{document.version}", document.body, expected=0)

    def _document(self, org: str, name: str, version: int | None) -> tuple[int, Document] | None:
        latest = self._store.document(KIND, f"{org}/{name}")
        if latest is None:
            return None
        if version is None or version == latest.version:
            return None if _removed(latest) else (latest.version, latest)
        older = self._store.document(VERSIONS, f"{org}/{name}/{version}")
        return None if older is None else (version, older)

    def _of_document(self, org: str, name: str, sent: tuple[int, Document]) -> Found:
        version, document = sent
        text = str(document.body["text"])

        def read() -> Found:
            return Found(self._parse(text, f"{name}.yml"), "sent", self._sent, version, text)

        return self._once((org, f"{name}/{version}"), text, read)

    def _parse(self, text: str, name: str) -> Draft:
        """Of what was sent. It is stored as it is, so no credential may stand in it."""
        draft = parse(text, name, self._sent)
        if spells_out_secret(draft):
            raise PipelineFileError(
                [f"{name}:1:1: the file spells out a credential, and what is sent is stored as it is"],
                hint="store it with /integrations/ORG/PROVIDER/setup and write auth: {provider: PROVIDER}",
            )
        return draft

    def _checked(self, name: str, origin: Origin, stamp: object, file: Path | None) -> Found:
        def read() -> Found:
            data = pipelines.read(name) if file is None else _bytes(self._own.file(file, what="pipeline file"))
            try:
                draft = parse(data, f"{name}.yml" if file is None else str(file), self._own)
            except PipelineFileError as error:
                if file is None:
                    raise
                shown = [problem.replace(f"{file.parent}/", "") for problem in error.problems]
                raise PipelineFileError(shown, hint=error.hint) from None
            return Found(replace(draft, file=f"{name}.yml"), origin, self._own, 0, data.decode("utf-8", "replace"))

        return self._once(("", name), stamp, read)

    def _once(self, key: tuple[str, str], stamp: object, read: Callable[[], Found]) -> Found:
        with self._lock:
            known = self._read.get(key)
            if known is not None and known[0] == stamp:
                return known[1]
        found = read()
        with self._lock:
            self._read[key] = (stamp, found)
            if len(self._read) > _MOST_READ:
                self._read.popitem(last=False)
        return found


def _removed(document: Document) -> bool:
    return bool(document.body.get("removed"))


def spells_out_secret(draft: Draft) -> bool:
    """Whether the file itself holds a credential or a password."""
    return f'"{MASK}"' in json.dumps(masked := mask(draft.shaped.data), default=str) or _urls(masked)


def _urls(data: Any) -> bool:
    """Whether a URL in ``data`` was masked."""
    if isinstance(data, str):
        return "://" in data and MASK in data
    if isinstance(data, Mapping):
        return any(_urls(item) for item in data.values())
    return isinstance(data, list) and any(_urls(item) for item in data)


def _bytes(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(MAX_BYTES + 1)
