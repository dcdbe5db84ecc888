"""The service on a socket of its own, from start to drain."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn

from headrace.core.errors import UsageError
from headrace.service.app import create_app
from headrace.service.config import ServiceConfig

GRACE = 5
"""Seconds for requests that are being answered when the service is told to stop."""


class Server(uvicorn.Server):
    """Ends the event streams as soon as it is told to stop: they would keep it from stopping."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.config.app.state.service.hub.close_soon()  # type: ignore[union-attr]  # it is always create_app's
        super().handle_exit(sig, frame)


def serve(config: ServiceConfig, *, say: Callable[[str], Any]) -> int:
    """Listen until SIGTERM or Ctrl-C; the exit code. ``say`` is told the address. Raises UsageError when it cannot be
    listened on."""
    app = create_app(config)
    listener = _listen(config)
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    say(f"http://{shown}:{port}  (API: /docs; Ctrl-C stops)")
    server = Server(
        uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=GRACE,
            server_header=False,
            lifespan="on",
        )
    )
    server.run(sockets=[listener])
    if not getattr(app.state, "drained", True):
        # A run that does not end holds its thread, and Python would wait for it. It is resumed from its last commit.
        sys.stdout.flush()
        os._exit(0)
    return 0 if server.started else 1


def _listen(config: ServiceConfig) -> socket.socket:
    try:
        family, kind, number, _, address = socket.getaddrinfo(
            config.host, config.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, number)
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        raise UsageError(
            f"cannot listen on {config.host}:{config.port}: {error.strerror or error}",
            hint="--port 0 takes a free port",
        ) from None
    return listener
