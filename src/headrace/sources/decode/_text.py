"""Bytes of a body → UTF-8 JSON text, and the mending that lets a strict parser pass over what it refuses."""

from __future__ import annotations

import codecs
import json
import re
from contextlib import suppress

from headrace.core.errors import DecodeError
from headrace.core.http import Response

_CHARSET = re.compile(r"charset\s*=\s*[\"']?([^\s;\"']+)", re.IGNORECASE)
_TITLE = re.compile(r"<title[^>]{0,200}>([^<]{0,300})", re.IGNORECASE)
_HTML = re.compile(r"\s*(<!--.{0,500}?-->\s*)?<(!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL)

# A string runs to its quote or to the end of the text, so that one pass is linear whatever the body holds.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\Z)|-?Infinity|NaN', re.DOTALL)
_CONTROL = re.compile(rb"[\x00-\x1f]")
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.", re.DOTALL
)


def charset(response: Response, default: str = "utf-8") -> str:
    """The encoding that the content type declares; an unknown one counts as ``default``."""
    match = _CHARSET.search(response.header("content-type"))
    try:
        return codecs.lookup(match[1]).name if match else default
    except LookupError:
        return default


def utf8(response: Response, encoding: str | None = None) -> bytes:
    """The body as UTF-8 without a byte order mark.

    A byte that is no text becomes the escape of a lone surrogate (``\\udcff`` for 0xFF), so that only the
    record that holds it need be rejected.
    """
    body, name = _encoding(response, encoding)
    if name in ("utf-8", "ascii"):
        if body.isascii():
            return body
        with suppress(UnicodeDecodeError):
            body.decode()
            return body
    return characters(response, encoding).encode("utf-8", "backslashreplace")


def characters(response: Response, encoding: str | None = None) -> str:
    """The body as text; a byte that is no text becomes a lone surrogate (U+DCFF for 0xFF)."""
    body, name = _encoding(response, encoding)
    if name == "ascii":
        name = "utf-8"
    try:
        return body.decode(name, "surrogatepass" if name.startswith(("utf-16", "utf-32")) else "surrogateescape")
    except (LookupError, UnicodeError) as error:
        raise DecodeError(
            f"the body cannot be read as {name}: {error}", hint="the content type names an encoding that is not text"
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
    stand-in can be cut out of the text."""
    text = _TOKEN.sub(lambda m: _CONTROL.sub(lambda c: b"\\u%04x" % c[0][0], m[0]), text)
    return text, _TOKEN.sub(_stand_in, text)


def _stand_in(match: re.Match[bytes]) -> bytes:
    token = match[0]
    if token[:1] == b'"':
        return _ESCAPE.sub(lambda m: b"\\ufffd" if m[1] else m[0], token)
    return {b"NaN": b"1e0", b"Infinity": b"10000000", b"-Infinity": b"-10000000"}[token]
