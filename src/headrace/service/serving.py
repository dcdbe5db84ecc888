"""The service on a socket of its own, from start to drain."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import uvicorn

from headrace.core.errors import UsageError
from headrace.service.app import create_app
from headrace.service.asking import warm
from headrace.service.config import ServiceConfig
from headrace.service.connection import Connection

CONNECTIONS = 2_000
"""At the same time; further ones are answered 503."""
GRACE = 5
"""Seconds for requests that are being answered when the service is told to stop."""
SETTINGS: dict[str, Any] = {
    "http": Connection, "ws": "none", "lifespan": "on", "limit_concurrency": CONNECTIONS,
    "timeout_graceful_shutdown": GRACE, "log_level": "warning", "access_log": False, "server_header": False,
    "proxy_headers": False,
}  # fmt: skip
"""Of uvicorn. Headers of a proxy are not believed: anybody may send them."""


class Server(uvicorn.Server):
    """Ends by itself and not by the signal that asked for it, so that the exit code is its own."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], Any]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Streams would keep it from stopping: nobody else ends them.
        self.config.app.state.service.hub.close_soon()  # type: ignore[union-attr]  # it is always create_app's
        super().handle_exit(sig, frame)


def serve(config: ServiceConfig, *, say: Callable[[str], Any]) -> int:
    """Listen until SIGTERM or Ctrl-C; the exit code. ``say`` is told the address as soon as it answers. Raises UsageError
    when it cannot be listened on."""
    app = create_app(config)
    listener = listen(config.host, config.port)
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    server = Server(
        uvicorn.Config(app, **SETTINGS),
        lambda: say(f"http://{shown}:{port}  (API: /docs; Ctrl-C stops)"),
    )
    if key := app.state.gate.first_key():
        say(f"administrator's API key, shown this once: {key}")
    service = app.state.service
    threading.Thread(target=warm, args=(config, service.catalogue), name="headrace-warm", daemon=True).start()
    server.run(sockets=[listener])
    if not getattr(app.state, "drained", True):
        # A run that does not end holds its thread, and Python would wait for it. It is resumed from its last commit.
        sys.stdout.flush()
        os._exit(0)
    return 0 if server.started else 1


def listen(host: str, port: int) -> socket.socket:
    """A socket that waits for connections. Raises UsageError."""
    try:
        family, kind, number, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, number)
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        raise UsageError(
            f"cannot listen on {host}:{port}: {error.strerror or error}",
            hint="--port 0 takes a free port",
        ) from None
    return listener
