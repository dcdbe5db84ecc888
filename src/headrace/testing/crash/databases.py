"""Empty databases beside one that a URL names, which itself is left alone."""

from __future__ import annotations

import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from headrace.core.errors import UsageError
from headrace.destinations import from_url

_NUMBERS = count(1)


class Databases(ABC):
    """Databases of one kind, as many as are asked for."""

    @abstractmethod
    def fresh(self) -> str:
        """The URL of an empty one."""

    @abstractmethod
    def copy(self, url: str) -> str:
        """The URL of one that holds what the database at ``url`` holds, which nobody has open."""

    @abstractmethod
    def drop(self, url: str) -> None:
        """Done with it."""


class Files(Databases):
    """DuckDB and SQLite."""

    def __init__(self, scheme: str, folder: Path) -> None:
        self.scheme, self.folder = scheme, folder

    def fresh(self) -> str:
        return f"{self.scheme}:///{self.folder.absolute()}/crash{next(_NUMBERS)}.{self.scheme}"

    def copy(self, url: str) -> str:
        made = self.fresh()
        for suffix in ("", ".wal", "-wal"):
            if Path(_file(url) + suffix).exists():
                shutil.copyfile(_file(url) + suffix, _file(made) + suffix)
        return made

    def drop(self, url: str) -> None:
        for path in (_file(url), *(_file(url) + suffix for suffix in (".wal", "-wal", "-shm"))):
            Path(path).unlink(missing_ok=True)


class Folders(Databases):
    """Staged files; ``options`` is the end of the URL."""

    def __init__(self, folder: Path, options: str) -> None:
        self.folder, self.options = folder, options

    def fresh(self) -> str:
        return f"file:///{self.folder.absolute()}/crash{next(_NUMBERS)}{self.options}"

    def copy(self, url: str) -> str:
        made = self.fresh()
        if Path(_file(url)).exists():
            shutil.copytree(_file(url), _file(made))
        return made

    def drop(self, url: str) -> None:
        shutil.rmtree(_file(url), ignore_errors=True)


class Server(Databases):
    """PostgreSQL: the user of the URL has to be allowed to create databases."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.made: list[str] = []

    def fresh(self) -> str:
        return self._make("")

    def copy(self, url: str) -> str:
        return self._make(f" TEMPLATE {urlsplit(url).path[1:]}")

    def _make(self, how: str) -> str:
        name = f"headrace_crash_{os.getpid()}_{next(_NUMBERS)}"
        self._do(f"CREATE DATABASE {name}{how}")
        self.made.append(name)
        return urlsplit(self.url)._replace(path=f"/{name}").geturl()

    def drop(self, url: str) -> None:
        name = urlsplit(url).path[1:]
        self._do(f"DROP DATABASE {name} WITH (FORCE)")
        self.made.remove(name)

    def _do(self, sql: str) -> None:
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as admin:
            admin.execute(sql.encode())


@contextmanager
def beside(url: str) -> Iterator[Databases]:
    """Databases in the folder, or on the server, that ``url`` names; what is left of them is removed at the end.
    Raises UsageError for a kind that cannot be multiplied."""
    kind = from_url(url).url.partition(":")[0]
    if kind in ("duckdb", "sqlite", "file"):
        place = Path(_file(url)).absolute().parent
        place.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=place, prefix="headrace-crash-", ignore_cleanup_errors=True) as folder:
            options = "".join(url.partition("?")[1:])
            yield Folders(Path(folder), options) if kind == "file" else Files(kind, Path(folder))
    elif kind == "postgresql":
        server = Server(url)
        try:
            yield server
        finally:
            for name in list(server.made):
                server.drop(urlsplit(url)._replace(path=f"/{name}").geturl())
    else:
        raise UsageError(
            f"destination {kind!r}: databases for a crash test cannot be made beside it",
            hint="name a duckdb, sqlite, postgresql or file URL",
        )


def _file(url: str) -> str:
    path = getattr(from_url(url), "path", "")
    return str(path)
