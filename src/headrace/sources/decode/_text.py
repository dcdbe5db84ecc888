"""Bytes of a body → UTF-8 JSON text, and the mending that lets a strict parser pass over what it refuses."""

from __future__ import annotations

import codecs
import json
import re
from contextlib import suppress
from functools import lru_cache

from headrace.core.errors import DecodeError
from headrace.core.http import Response

_CHARSET = re.compile(r"charset\s*=\s*[\"']?([^\s;\"']+)", re.IGNORECASE)
_TITLE = re.compile(r"<title[^>]{0,200}>([^<]{0,300})", re.IGNORECASE)
_HTML = re.compile(r"\s*(<!--.{0,500}?-->\s*)?<(!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL)

# A string runs to its quote or to the end of the text, so that one pass is linear whatever the body holds.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\Z)|-?Infinity|NaN', re.DOTALL)
_CONTROLS = bytes(range(0x20))
_CONTROL = re.compile(rb"[\x00-\x1f]")
_QUOTE = ord('"')
_NUMBERS = {b"NaN": b"1e0", b"Infinity": b"10000000", b"-Infinity": b"-10000000"}
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.", re.DOTALL
)


MOST_STRANGE = 10_000_000
"""Bytes of a body that are no text, or no text that JSON takes: each is kept as an escape of six."""


_SHORT = 4096
"""Bytes that Python decodes before Arrow has begun."""


def charset(response: Response, default: str = "utf-8") -> str:
    """The encoding that the content type declares; one that is unknown, or none of text, counts as ``default``."""
    match = _CHARSET.search(response.header("content-type"))
    return (match and encoding_of_text(match[1])) or default


@lru_cache(maxsize=64)
def encoding_of_text(name: str) -> str | None:
    """Python's name of an encoding, ``None`` unless any bytes of it can be read (``hex`` and ``idna`` are none)."""
    try:
        for body in (b"a" * 4, b"\xff" * 4):
            with suppress(UnicodeDecodeError):
                body.decode(name, "surrogateescape")
            body.decode(name, "ignore")
        found = codecs.lookup(name).name
        return None if found == "unicode-escape" else found  # that one warns of what it does not know
    except (LookupError, ValueError):
        return None


def _is_utf8(body: bytes) -> bool:
    if len(body) < _SHORT or len(body) >= 1 << 31:
        with suppress(UnicodeDecodeError):
            body.decode()
            return True
        return False
    # Where most of it is ASCII, Arrow looks at it ten times as fast as Python decodes it.
    import pyarrow as pa

    ends = pa.array([0, len(body)], pa.int32()).buffers()[1]
    try:
        pa.Array.from_buffers(pa.string(), 1, [None, ends, pa.py_buffer(body)]).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def utf8(response: Response, encoding: str | None = None) -> bytes:
    """The body as UTF-8 without a byte order mark.

    A byte that is no text becomes the escape of a lone surrogate (``\\udcff`` for 0xFF), so that only the
    record that holds it need be rejected.
    """
    body, name = _encoding(response, encoding)
    if name in ("utf-8", "ascii"):
        if body.isascii() or _is_utf8(body):
            return body
        strange = len(body) - len(body.decode("utf-8", "ignore").encode())
        if strange > MOST_STRANGE:
            raise _too_strange(strange, "are not UTF-8")
    return characters(response, encoding).encode("utf-8", "backslashreplace")


def characters(response: Response, encoding: str | None = None) -> str:
    """The body as text; a byte that is no text becomes a lone surrogate (U+DCFF for 0xFF)."""
    body, name = _encoding(response, encoding)
    if name == "ascii":
        name = "utf-8"
    try:
        return body.decode(name, "surrogatepass" if name.startswith(("utf-16", "utf-32")) else "surrogateescape")
    except UnicodeError as error:
        raise DecodeError(
            f"the body cannot be read as {name}: {error}", hint="the content type names another encoding than it has"
        ) from None


def _encoding(response: Response, encoding: str | None) -> tuple[bytes, str]:
    """The body without a byte order mark, and the name of its encoding; a mark says more than a header."""
    body = response.body
    if body.startswith(codecs.BOM_UTF8):
        return body[3:], "utf-8"
    if body[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) or (encoding is None and b"\0" in body[:4]):
        return body, json.detect_encoding(body)
    return body, encoding or charset(response)


def refuse_html(response: Response) -> None:
    """Raises DecodeError, with the page's title, when the body is HTML."""
    start = response.body[:4096].decode(charset(response), "replace").lstrip("\ufeff")
    if not _HTML.match(start):
        return
    title = _TITLE.search(start)
    named = f" titled {' '.join(title[1].split())!r}" if title else ""
    raise DecodeError(
        f"the API answered HTML (status {response.status}){named} instead of data: {' '.join(start[:200].split())}",
        hint="a login page, a proxy or a wrong url usually answers like this: check url, auth and headers (Accept)",
    )


def mend(text: bytes) -> tuple[bytes, bytes]:
    """``text`` with control characters in strings escaped, and a stand-in of the same length that a strict
    parser takes: lone surrogates, NaN and Infinity are replaced there, so that what is found in the
    stand-in can be cut out of the text.

    Works in place and token by token: replacing by a function would keep every token of the body at once."""
    text = _without_controls(text)
    stand_in = bytearray(text)
    for match in _TOKEN.finditer(text):
        if text[match.start()] != _QUOTE:
            stand_in[match.start() : match.end()] = _NUMBERS[match[0]]
            continue
        for escape in _ESCAPE.finditer(text, match.start(), match.end()):
            if escape[1]:
                stand_in[escape.start() : escape.end()] = b"\\ufffd"
    return text, bytes(stand_in)


def _without_controls(text: bytes) -> bytes:
    strange = len(text) - len(text.translate(None, _CONTROLS))
    if not strange:
        return text
    written = bytearray()
    done = 0
    for match in _TOKEN.finditer(text):
        token = match[0]
        present = _CONTROL.search(token) and set(token) & set(_CONTROLS)
        if not present:
            continue
        if len(token) - len(token.translate(None, _CONTROLS)) > MOST_STRANGE:
            raise _too_strange(strange, "are control characters")
        for code in present:
            token = token.replace(bytes([code]), b"\\u%04x" % code)
        written += text[done : match.start()] + token
        done = match.end()
    return bytes(written + text[done:])


def _too_strange(count: int, what: str) -> DecodeError:
    return DecodeError(
        f"{count:,} bytes of the body {what}: at most {MOST_STRANGE:,} are kept by their escapes",
        hint="this looks like a file, not like data: check url, and what it is with decode: {type: json | jsonl | csv | xml}",
    )
