"""CSV: one record a row, every value a string as it was sent."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal, Self

import msgspec
from pydantic import AfterValidator, Field, model_validator

from headrace.core.contracts import Decoder, Envelope
from headrace.core.errors import DecodeError
from headrace.core.http import Response
from headrace.core.paths import Path
from headrace.sources.decode._document import MOST, too_many
from headrace.sources.decode._open import open_text
from headrace.sources.decode._records import array
from headrace.sources.decode._text import characters, encoding_of_text, refuse_html

LONGEST_FIELD = 16 * 1024 * 1024
"""Characters of one field. Python's reader keeps four bytes for each, twice while it grows."""
MOST_FIELDS = 1_000_000
_LINE = re.compile(r"[^\r\n]*+(?:\r\n?|\n)|[^\r\n]++")


def _known(encoding: str) -> str:
    found = encoding_of_text(encoding)
    if found is None:
        raise ValueError(f"encoding {encoding!r} is not known: write it as utf-8, utf-16, latin-1, cp1252, ...")
    return found


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

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        for name, mark in (("delimiter", self.delimiter), ("quote", self.quote)):
            if mark in ("\r", "\n"):
                raise ValueError(f"{name} cannot be a line break: rows end there")
        if self.delimiter == self.quote:
            raise ValueError(f"delimiter and quote are both {self.quote!r}: they have to differ")
        return self

    def open(self, response: Response, data_path: Path, wants: Sequence[Path]) -> Envelope:
        """A row with another number of fields than the header is a DecodeError that names its line."""
        if response.body.lstrip()[:1] == b"<":
            refuse_html(response)
        text = characters(response, self.encoding)
        return open_text(array(self._records(text)), data_path, wants)

    def _records(self, text: str) -> Iterator[bytes]:
        csv.field_size_limit(LONGEST_FIELD)
        size = fields = count = 0

        def lines() -> Iterator[str]:
            # Not StringIO, which takes four bytes for each character.
            nonlocal size, fields
            for match in _LINE.finditer(text):
                line = match[0]
                size += len(line)
                if size > MOST_FIELDS:
                    fields += line.count(self.delimiter)
                    if fields > MOST_FIELDS:
                        raise DecodeError(
                            f"a row has more than {MOST_FIELDS:,} fields",
                            hint='is the delimiter right? decode: {type: csv, delimiter: ";"}',
                        )
                yield line

        rows = csv.reader(
            lines(),
            delimiter=self.delimiter,
            quotechar=self.quote or None,
            quoting=csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE,
            strict=True,
        )
        names = self.header
        try:
            for row in rows:
                size, fields, count = 0, 0, count + 1
                if count > MOST:
                    raise too_many(MOST, "rows")
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
            if "field larger" in str(error):
                raise DecodeError(
                    f"line {rows.line_num}: a field is longer than {LONGEST_FIELD:,} characters",
                    hint="is a quote never closed? Set the right one, or none: decode: {type: csv, quote: ''}",
                ) from None
            raise DecodeError(
                f"line {rows.line_num}: {error}", hint="the body is cut short, or its quote is another (decode.quote)"
            ) from None


def _encoded(record: dict[str, str]) -> bytes:
    try:
        return msgspec.json.encode(record)
    except UnicodeEncodeError:  # a lone surrogate: only the standard library writes its escape
        return json.dumps(record).encode()


def _unique(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        twice = next(name for name, times in Counter(names).items() if times > 1)
        raise DecodeError(
            f"the header names {twice[:100]!r} twice",
            hint="name the columns yourself with decode: {type: csv, header: [...]}",
        )
    return names
