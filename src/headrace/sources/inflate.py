"""Undo ``Content-Encoding`` within a bound, and notice where a body was cut.

HTTP clients inflate what they get and call it whole: a gzip body that ends early, on a connection
that closes to mark the end, gives no error there. Here every format must reach its own end.
"""

from __future__ import annotations

import zlib
from typing import Any

from headrace.core.errors import DecodeError, RequestFailed

MAX_BODY = 256 * 1024 * 1024
"""Bytes of a plain body that are taken by default."""

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
        hint="ask for smaller pages (the page size parameter of the API)",
    )


def _gzip(body: bytes, max_bytes: int) -> bytes:
    if body[:2] != b"\x1f\x8b"[: len(body)]:
        raise DecodeError("the answer says Content-Encoding: gzip, but its body is not gzip")
    parts: list[bytes] = []
    left = max_bytes
    while body:
        part, body = _zlib_stream(body, 31, left, "gzip")
        parts.append(part)
        left -= len(part)
        body = body.lstrip(b"\0")  # members may be padded with zeros
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _deflate(body: bytes, max_bytes: int) -> bytes:
    # The standard says zlib; many servers send the bare stream, so the header decides.
    has_header = len(body) >= 2 and body[0] & 0x0F == 8 and (body[0] << 8 | body[1]) % 31 == 0
    plain, rest = _zlib_stream(body, 15 if has_header else -15, max_bytes, "deflate")
    if rest:
        raise DecodeError(f"the answer has {len(rest)} bytes after the end of its deflate stream")
    return plain


def _zlib_stream(body: bytes, wbits: int, max_bytes: int, name: str) -> tuple[bytes, bytes]:
    stream = zlib.decompressobj(wbits)
    try:
        plain = stream.decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise RequestFailed(f"the answer's {name} body is damaged: {error}") from None
    if len(plain) > max_bytes:
        raise too_large(max_bytes)
    if not stream.eof:
        raise cut_short(f"its {name} body ends early")
    return plain, stream.unused_data


def _zstd(body: bytes, max_bytes: int) -> bytes:
    import zstandard

    parts: list[bytes] = []
    left = max_bytes
    while body:
        stream = zstandard.ZstdDecompressor().decompressobj()
        at = 0
        while at < len(body) and not stream.eof:
            try:
                part = stream.decompress(body[at : at + _ZSTD_PIECE])
            except zstandard.ZstdError as error:
                raise RequestFailed(f"the answer's zstd body is damaged: {error}") from None
            at += _ZSTD_PIECE
            left -= len(part)
            if left < 0:
                raise too_large(max_bytes)
            parts.append(part)
        if not stream.eof:
            raise cut_short("its zstd body ends early")
        body = stream.unused_data + body[at:]
    return b"".join(parts)


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
