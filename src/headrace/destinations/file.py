"""A folder of JSON Lines or Parquet files, with manifests that say which of them count."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from headrace.destinations._stage import StageDestination
from headrace.destinations._url import file_of, same_file, url_of

if TYPE_CHECKING:
    from headrace.storage.contract import Store


class FileDestination(StageDestination):
    """A local folder: staged files in ``source=…/dt=…/hour=…/batch_id=…``."""

    type: Literal["file"] = "file"
    path: str = "stage"
    """The folder, relative to the working directory."""

    @classmethod
    def from_url(cls, url: str) -> FileDestination:
        address, _, options = url.partition("?")
        made: FileDestination = cls._made(options, "file:///stage?format=parquet", path=file_of(address, "stage"))
        return made

    @property
    def url(self) -> str:
        return url_of("file", self.path) + self._options()

    @classmethod
    def _in_path(cls) -> frozenset[str]:
        return frozenset({"path"})

    def store(self) -> Store:
        from headrace.storage.folder import Folder

        return Folder(Path(same_file(self.path)))
