"""How an answer leaves the socket: whole, or as a fault of the wire would have it."""

from __future__ import annotations

import asyncio
import gzip
import socket
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headrace.sandbox.cache import PageCache
from headrace.sandbox.http import Incoming, Reply, render_head


@dataclass(slots=True)
class Sent:
    """What became of an answer: ``whole`` when every byte was handed over, ``keep`` the connection or not."""

    size: int
    whole: bool
    keep: bool


def compress(body: bytes, reply: Reply, cache: PageCache) -> bytes:
    def pack() -> bytes:
        return gzip.compress(body, compresslevel=1, mtime=0)

    return pack() if reply.volatile else cache.get(("gzip", hash(body), len(body)), pack)


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST instead of FIN."""
    sock = writer.transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def silence(reader: asyncio.StreamReader, seconds: float) -> None:
    """Say nothing until the client gives up, or ``seconds`` are over."""
    try:
        async with asyncio.timeout(seconds):
            await reader.read(1)
    except (TimeoutError, ConnectionError):
        pass


async def send(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    request: Incoming,
    reply: Reply,
    faults: Mapping[str, Mapping[str, Any]],
    *,
    cache: PageCache,
    gzip_on: bool,
) -> Sent:
    """Write the answer; ``faults`` are those of stage ``wire`` that struck, by kind."""
    headers = [("Content-Type", reply.content_type), *reply.headers]
    body = reply.body
    if gzip_on and len(body) > 200 and "gzip" in request.headers.get("accept-encoding", "").lower():
        body = compress(body, reply, cache)
        headers += [("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")]
        if "cut_gzip" in faults:
            body = body[: len(body) // 2]
        if "corrupt_gzip" in faults:
            body = body[:-8] + struct.pack("<I", zlib.crc32(body)) + body[-4:]
    keep = request.keep_alive
    if request.method == "HEAD" or reply.status in (204, 304):
        writer.write(render_head(reply.status, [*headers, ("Content-Length", str(len(body)))]))
        await writer.drain()
        return Sent(0, whole=True, keep=keep)
    if not faults:
        if not keep:
            headers.append(("Connection", "close"))
        writer.write(render_head(reply.status, [*headers, ("Content-Length", str(len(body)))]) + body)
        await writer.drain()
        return Sent(len(body), whole=True, keep=keep)
    return await _send_faulty(reader, writer, reply.status, headers, body, faults, keep)


async def _send_faulty(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    status: int,
    headers: list[tuple[str, str]],
    body: bytes,
    faults: Mapping[str, Mapping[str, Any]],
    keep: bool,
) -> Sent:
    half = body[: max(len(body) // 2, 1)]
    plain = [*headers, ("Content-Length", str(len(body)))]
    if "reset" in faults:
        writer.write(render_head(status, plain) + half)
        await writer.drain()
        reset(writer)
        return Sent(len(half), whole=False, keep=False)
    if params := faults.get("hang_mid_body"):
        writer.write(render_head(status, plain) + half)
        await writer.drain()
        await silence(reader, float(params["seconds"]))
        return Sent(len(half), whole=False, keep=False)
    if "length_truncation" in faults:
        writer.write(render_head(status, plain) + half)
        await writer.drain()
        return Sent(len(half), whole=False, keep=False)
    if "close_truncation" in faults or "close_delimited" in faults:
        part = half if "close_truncation" in faults else body
        writer.write(render_head(status, [*headers, ("Connection", "close")]) + part)
        await writer.drain()
        return Sent(len(part), whole=part is body, keep=False)
    if "chunked" in faults or "chunk_truncation" in faults:
        cut = "chunk_truncation" in faults
        size = int(faults.get("chunked", {}).get("bytes", 4_096))
        part = half if cut else body
        writer.write(render_head(status, [*headers, ("Transfer-Encoding", "chunked")]))
        for at in range(0, len(part), size):
            piece = part[at : at + size]
            writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            await writer.drain()
        if not cut:
            writer.write(b"0\r\n\r\n")
            await writer.drain()
        return Sent(len(part), whole=not cut, keep=keep and not cut)
    if params := faults.get("slow_drip"):
        writer.write(render_head(status, plain))
        for at in range(0, len(body), int(params["bytes"])):
            writer.write(body[at : at + int(params["bytes"])])
            await writer.drain()
            await asyncio.sleep(float(params["ms"]) / 1000)
        return Sent(len(body), whole=True, keep=keep)
    writer.write(render_head(status, plain) + body)
    await writer.drain()
    spoiled = "cut_gzip" in faults or "corrupt_gzip" in faults
    return Sent(len(body), whole=not (spoiled and ("Content-Encoding", "gzip") in headers), keep=keep)
