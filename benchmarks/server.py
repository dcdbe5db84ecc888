"""Answers pre-rendered pages from memory, as cheaply as Python can. ``server.py TOTAL SIZE`` prints its URL."""

from __future__ import annotations

import asyncio
import sys
import time
from urllib.parse import parse_qs, urlsplit

from records import page


async def main(total: int, size: int) -> None:
    pages = [page(n, size, total) for n in range((total + size - 1) // size)]
    answers = [
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        for body in pages
    ]

    class Pages(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport
            self.buffer = b""

        def data_received(self, data: bytes) -> None:
            self.buffer += data
            while b"\r\n\r\n" in self.buffer:
                head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
                target = head.split(b" ", 2)[1].decode()
                parts = urlsplit(target)
                if parts.path == "/cpu":
                    body = str(time.process_time()).encode()
                    self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
                    continue
                number = int(parse_qs(parts.query).get("cursor", ["0"])[0])
                self.transport.write(answers[number])

    server = await asyncio.get_running_loop().create_server(Pages, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    print(f"http://127.0.0.1:{port} {sum(map(len, pages)) / total:.0f} bytes a record", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
