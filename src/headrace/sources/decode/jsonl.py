"""JSON Lines (NDJSON): one record a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from headrace.core.contracts import Decoder, Envelope
from headrace.core.errors import DecodeError
from headrace.core.http import Response
from headrace.core.paths import Path
from headrace.sources.decode._document import MOST, Document, too_many
from headrace.sources.decode._open import open_text
from headrace.sources.decode._text import refuse_html, utf8

_LINES = msgspec.json.Decoder(msgspec.Raw)


class JsonLines(Decoder):
    """The lines are one list: ``data_path: ""`` takes it, ``*.items`` goes into each line."""

    type: Literal["jsonl"]

    def open(self, response: Response, data_path: Path, wants: Sequence[Path]) -> Envelope:
        """A line that is no JSON, such as a last one cut short, is a DecodeError that names it."""
        if response.body.lstrip()[:1] == b"<":
            refuse_html(response)
        text = utf8(response)
        if text.count(b"\n") > MOST:
            raise too_many(MOST, "lines")
        lines = [stripped for line in text.split(b"\n") if (stripped := line.strip())]
        try:
            whole = len(_LINES.decode_lines(text)) == len(lines)
        except (msgspec.DecodeError, RecursionError):
            whole = False
        if not whole:
            lines = _checked(text)
        return open_text(b"[" + b",".join(lines) + b"]", data_path, wants)


def _checked(text: bytes) -> list[bytes]:
    """Each line's text, mended where it has to be."""
    lines: list[bytes] = []
    for number, line in enumerate(text.split(b"\n"), 1):
        if not line.strip():
            continue
        document = Document(line)
        try:
            document.root  # noqa: B018  reading it is the check
        except DecodeError as error:
            raise DecodeError(f"line {number}: {error.message}", hint=error.hint) from None
        lines.append(document.text)
    return lines
