"""A TCP gate before a server: shut, the server is away; opened, it is back on the same port."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Gate:
    """Forwards connections to loopback ``port`` while it is open; shutting it drops all that there are."""

    port: int
    listening: int = 0
    """The port that clients connect to."""
    _listener: socket.socket | None = None
    _sockets: list[socket.socket] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Gate:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.shut()

    def open(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.listening))
        self.listening = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def shut(self) -> None:
        """No connection is there, and none is made, when it returns."""
        with self._lock:
            if self._listener is not None:
                _close(self._listener)
                self._listener = None
            for each in self._sockets:
                _close(each)
            self._sockets.clear()

    @contextmanager
    def away(self) -> Iterator[None]:
        self.shut()
        try:
            yield
        finally:
            self.open()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                if listener is not self._listener:
                    _close(client)
                    return
                try:
                    server = socket.create_connection(("127.0.0.1", self.port))
                except OSError:
                    _close(client)
                    continue
                self._sockets += [client, server]
            for ends in ((client, server), (server, client)):
                threading.Thread(target=_forward, args=ends, daemon=True).start()


def _forward(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    _close(source)
    _close(sink)


def _close(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
