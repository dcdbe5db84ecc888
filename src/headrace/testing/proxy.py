"""A TCP proxy that loses a connection at an exact message, for destinations that are reached by network."""

from __future__ import annotations

import re
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

Cut = Literal["before", "after", "partition"]

COMMIT = re.compile(rb"(?<! )COMMIT;?\x00", re.IGNORECASE)
"""PostgreSQL's statement, and not the clause ``ON COMMIT DROP``."""


@dataclass
class Proxy:
    """Forwards loopback connections to ``port``; once ``cut`` is set, loses the first connection on which a
    client's message matches ``trigger``.

    ``before`` drops both ends and delivers nothing; ``after`` drops the client's end, then delivers;
    ``partition`` drops the client's end, delivers nothing and keeps the server waiting for ``linger``
    seconds. With ``dead_after`` no connection is accepted from then on.
    """

    port: int
    trigger: re.Pattern[bytes] = COMMIT
    cut: Cut | None = None
    linger: float = 1.0
    dead_after: bool = False
    fired: threading.Event = field(default_factory=threading.Event)
    _listener: socket.socket = field(init=False)
    _sockets: list[socket.socket] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Proxy:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._run(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        for each in [self._listener, *self._sockets]:
            _close(each)
        for thread in self._threads:
            thread.join(10)

    @property
    def listening(self) -> int:
        """The port that clients connect to."""
        number: int = self._listener.getsockname()[1]
        return number

    def _run(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]  # bound methods
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.dead_after and self.fired.is_set():
                _close(client)
                continue
            server = socket.create_connection(("127.0.0.1", self.port))
            self._sockets += [client, server]
            self._run(self._upstream, client, server)
            self._run(_forward, server, client)

    def _upstream(self, client: socket.socket, server: socket.socket) -> None:
        while data := _receive(client):
            if self.cut is not None and not self.fired.is_set() and self.trigger.search(data):
                self.fired.set()
                self._lose(data, client, server)
                return
            if not _send(server, data):
                break
        _close(server)

    def _lose(self, data: bytes, client: socket.socket, server: socket.socket) -> None:
        _close(client)  # first, so that no answer can still reach it
        if self.cut == "after":
            _send(server, data)
            return
        if self.cut == "partition":
            time.sleep(self.linger)
        _close(server)


def _forward(source: socket.socket, sink: socket.socket) -> None:
    while data := _receive(source):
        if not _send(sink, data):
            break
    _close(sink)


def _receive(source: socket.socket) -> bytes:
    with suppress(OSError):
        return source.recv(65536)
    return b""


def _send(sink: socket.socket, data: bytes) -> bool:
    with suppress(OSError):
        sink.sendall(data)
        return True
    return False


def _close(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
