"""An API on loopback, as cheap as Python can make it: ``server.py TOTAL SIZE [--shape films|small] [--latency MS] …``.

``/shows?cursor=N`` (from 0) and ``/shows?page=N`` (from 1) give the pages, ``/shows?slice=N`` one that is alone.
Prints its URL.
"""

from __future__ import annotations

import argparse
import asyncio
from urllib.parse import parse_qs, urlsplit

import pages


def listing(given: argparse.Namespace) -> pages.Pages:
    if given.shape == "films":
        return pages.Films(given.total, given.size)
    return pages.Small(given.total, given.size, given.stride, given.version)


async def main(given: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    found, latency = listing(given), given.latency / 1000
    sample = pages.body(found, 0)

    def answer(target: bytes) -> bytes:
        query = parse_qs(urlsplit(target.decode()).query)
        if "slice" in query:
            return pages.body(found, int(query["slice"][0]) % found.count, alone=True)
        return pages.body(found, int(query["page"][0]) - 1 if "page" in query else int(query.get("cursor", ["0"])[0]))

    class Listing(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport
            self.buffer = b""

        def data_received(self, data: bytes) -> None:
            self.buffer += data
            while b"\r\n\r\n" in self.buffer:
                head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
                target = head.split(b" ", 2)[1]
                if latency:
                    loop.call_later(latency, self.write, target)
                else:
                    self.write(target)

        def write(self, target: bytes) -> None:
            body = answer(target)
            head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
            self.transport.writelines((head, body))

    server = await loop.create_server(Listing, "127.0.0.1", 0, backlog=1024)
    port = server.sockets[0].getsockname()[1]
    bytes_each = len(sample) / max(sample.count(b'"updatedAt"'), 1)
    print(f"http://127.0.0.1:{port} {bytes_each:.0f} bytes a record", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("total", type=int)
    options.add_argument("size", type=int)
    options.add_argument("--shape", choices=["films", "small"], default="films")
    options.add_argument("--latency", type=float, default=0.0, metavar="MS")
    options.add_argument("--stride", type=int, default=1)
    options.add_argument("--version", type=int, default=0)
    asyncio.run(main(options.parse_args()))
