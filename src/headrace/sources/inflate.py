"""Undo ``Content-Encoding`` within a bound, and notice where a body was cut.

HTTP clients inflate what they get and call it whole: a gzip body that ends early, on a connection
that closes to mark the end, gives no error there. Here every format must reach its own end.
"""

from __future__ import annotations

import re
import zlib
from typing import Any

from headrace.core.errors import DecodeError, RequestFailed

MAX_BODY = 256 * 1024 * 1024
"""Bytes of a plain body that are taken by default."""

_FIRST_PIECE, _LARGEST_PIECE = 4096, 65536
_PADDING = re.compile(rb"\0*+")  # members may be padded with zeros
_ZSTD_PIECE = 1024  # its decompressor has no output bound: small pieces keep the overshoot to some MB


def accepted_encodings() -> str:
    """The value of ``Accept-Encoding`` that :func:`inflate` can undo here."""
    return "gzip, deflate, zstd" + (", br" if _brotli() else "")


def inflate(body: bytes, encoding: str, *, max_bytes: int = MAX_BODY) -> bytes:
    """``body`` without the codings that the header value ``encoding`` lists (the last one first).

    Raises RequestFailed (``status=None``) for a body cut short or damaged on its way, and DecodeError
    for one that is not what it says, or that grows beyond ``max_bytes``.
    """
    for coding in reversed([name.strip().lower() for name in encoding.split(",")]):
        if coding in ("", "identity"):
            continue
        undo = {"gzip": _gzip, "x-gzip": _gzip, "deflate": _deflate, "zstd": _zstd, "br": _br}.get(coding)
        if undo is None:
            raise DecodeError(
                f"the answer has Content-Encoding {coding!r}, which is not known here",
                hint=f"ask for one that is: headers: {{Accept-Encoding: '{accepted_encodings()}'}}",
            )
        body = undo(body, max_bytes)
    return body


def cut_short(what: str) -> RequestFailed:
    return RequestFailed(f"the answer is truncated: {what}")


def too_large(max_bytes: int) -> DecodeError:
    return DecodeError(
        f"the answer is larger than {max_bytes:,} bytes",
        hint="ask for smaller pages: set limit under pagination, or the API's own page size under params",
    )


class _Plain:
    """What came out so far. Raises DecodeError when it grows beyond ``max_bytes``."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = self.left = max_bytes
        self.parts: list[bytes] = []

    def add(self, part: bytes) -> None:
        self.left -= len(part)
        if self.left < 0:
            raise too_large(self.max_bytes)
        if part:
            self.parts.append(part)

    def whole(self) -> bytes:
        return self.parts[0] if len(self.parts) == 1 else b"".join(self.parts)


def _gzip(body: bytes, max_bytes: int) -> bytes:
    if body[:2] != b"\x1f\x8b"[: len(body)]:
        raise DecodeError("the answer says Content-Encoding: gzip, but its body is not gzip")
    plain = _Plain(max_bytes)
    at = 0
    while at < len(body):
        at = _zlib_stream(body, at, 31, plain, "gzip")
        padding = _PADDING.match(body, at)
        at = padding.end() if padding else at
    return plain.whole()


def _deflate(body: bytes, max_bytes: int) -> bytes:
    # The standard says zlib; many servers send the bare stream, so the header decides.
    has_header = len(body) >= 2 and body[0] & 0x0F == 8 and (body[0] << 8 | body[1]) % 31 == 0
    plain = _Plain(max_bytes)
    end = _zlib_stream(body, 0, 15 if has_header else -15, plain, "deflate")
    if end < len(body):
        raise DecodeError(f"the answer has {len(body) - end} bytes after the end of its deflate stream")
    return plain.whole()


def _zlib_stream(body: bytes, at: int, wbits: int, plain: _Plain, name: str) -> int:
    """Unpack the stream that begins at ``at``; returns where it ends.

    Fed in pieces that grow: what lies behind a stream's end is copied, and a body may be many thousand streams.
    """
    stream = zlib.decompressobj(wbits)
    piece = _FIRST_PIECE
    while not stream.eof:
        if at >= len(body):
            raise cut_short(f"its {name} body ends early")
        fed = memoryview(body)[at : at + piece]
        try:
            plain.add(stream.decompress(fed, plain.left + 1))
        except zlib.error as error:
            raise RequestFailed(f"the answer's {name} body is damaged: {error}") from None
        at += len(fed) - len(stream.unused_data)
        piece = min(2 * piece, _LARGEST_PIECE)
    return at


def _zstd(body: bytes, max_bytes: int) -> bytes:
    import zstandard

    plain = _Plain(max_bytes)
    context = zstandard.ZstdDecompressor()
    at = 0
    while at < len(body):
        stream = context.decompressobj()
        while not stream.eof:
            if at >= len(body):
                raise cut_short("its zstd body ends early")
            fed = memoryview(body)[at : at + _ZSTD_PIECE]
            try:
                plain.add(stream.decompress(fed))
            except zstandard.ZstdError as error:
                raise RequestFailed(f"the answer's zstd body is damaged: {error}") from None
            at += len(fed) - len(stream.unused_data)
    return plain.whole()


def _brotli() -> Any:
    try:
        import brotli
    except ImportError:
        return None
    # Before 1.2 there is no bound on the output: treated as absent.
    return brotli if hasattr(brotli.Decompressor, "can_accept_more_data") else None


def _br(body: bytes, max_bytes: int) -> bytes:
    brotli = _brotli()
    if brotli is None:
        raise DecodeError(
            "the answer has Content-Encoding 'br'", hint="pip install 'headrace[brotli]' (brotli 1.2 or newer)"
        )
    stream = brotli.Decompressor()
    try:
        plain: bytes = stream.process(body, output_buffer_limit=max_bytes + 1)
    except brotli.error as error:
        raise RequestFailed(f"the answer's br body is damaged: {error}") from None
    if len(plain) > max_bytes:
        raise too_large(max_bytes)
    if not stream.is_finished():
        raise cut_short("its br body ends early")
    return plain
