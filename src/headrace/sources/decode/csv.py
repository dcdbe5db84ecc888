"""CSV: one record a row, every value a string as it was sent."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

import msgspec
from pydantic import AfterValidator, Field

from headrace.core.contracts import Decoder, Envelope
from headrace.core.errors import DecodeError
from headrace.core.http import Response
from headrace.core.paths import Path
from headrace.sources.decode._open import open_text
from headrace.sources.decode._records import array
from headrace.sources.decode._text import characters, refuse_html

_FIELD_LIMIT = 1 << 30  # bytes; the fetch bounds a body long before


def _known(encoding: str) -> str:
    try:
        return codecs.lookup(encoding).name
    except LookupError:
        raise ValueError(f"encoding {encoding!r} is not known") from None


class Csv(Decoder):
    """The rows are one list of objects: ``data_path: ""`` takes it."""

    type: Literal["csv"]
    delimiter: str = Field(",", min_length=1, max_length=1)
    quote: str = Field('"', max_length=1)
    """The character around a field that holds delimiters; ``""``: none."""
    encoding: Annotated[str, AfterValidator(_known)] | None = None
    """By default what the content type says, else UTF-8."""
    header: list[str] | None = None
    """The columns' names where the first row is a record already."""

    def open(self, response: Response, data_path: Path, wants: Sequence[Path]) -> Envelope:
        """A row with another number of fields than the header is a DecodeError that names its line."""
        if response.body.lstrip()[:1] == b"<":
            refuse_html(response)
        text = characters(response, self.encoding)
        return open_text(array(self._records(text)), data_path, wants)

    def _records(self, text: str) -> Iterator[bytes]:
        csv.field_size_limit(_FIELD_LIMIT)
        rows = csv.reader(
            io.StringIO(text, newline=""),
            delimiter=self.delimiter,
            quotechar=self.quote or None,
            quoting=csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE,
            strict=True,
        )
        names = self.header
        try:
            for row in rows:
                if not row:
                    continue
                if names is None:
                    names = _unique(row)
                    continue
                if len(row) != len(names):
                    raise DecodeError(
                        f"line {rows.line_num}: {len(row)} fields, but the header has {len(names)}",
                        hint='is the delimiter right (decode: {type: csv, delimiter: ";"}), or was the body cut?',
                    )
                yield _encoded(dict(zip(names, row, strict=True)))
        except csv.Error as error:
            raise DecodeError(
                f"line {rows.line_num}: {error}", hint="the body is cut short, or its quote is another (decode.quote)"
            ) from None


def _encoded(record: dict[str, str]) -> bytes:
    try:
        return msgspec.json.encode(record)
    except UnicodeEncodeError:  # a lone surrogate: only the standard library writes its escape
        return json.dumps(record).encode()


def _unique(names: list[str]) -> list[str]:
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None:
        raise DecodeError(
            f"the header names {twice!r} twice",
            hint="name the columns yourself with decode: {type: csv, header: [...]}",
        )
    return names
