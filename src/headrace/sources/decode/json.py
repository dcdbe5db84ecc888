"""JSON: one document a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from headrace.core.contracts import Decoder, Envelope
from headrace.core.http import Response
from headrace.core.paths import Path
from headrace.sources.decode._open import open_text
from headrace.sources.decode._text import refuse_html, utf8


class Json(Decoder):
    """The default: records keep their exact text, numbers included."""

    type: Literal["json"]
    keyed: str | None = None
    """The records are the values of a map: put each one's name into it under this field."""

    def open(self, response: Response, data_path: Path, wants: Sequence[Path]) -> Envelope:
        if response.status == 204:
            return Envelope(values={}, records=b"[]")
        if response.body.lstrip()[:1] == b"<":
            refuse_html(response)
        return open_text(utf8(response), data_path, wants, self.keyed)
